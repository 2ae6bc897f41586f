"""Files with one bit flipped, and what reading them comes to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from anode.errors import AnodeError
from anode.seeding import stream


def flipped(path: Path, n: int) -> Iterator[int]:
    """Flip ``n`` random bits of a file, one at a time; gives their numbers."""
    content = path.read_bytes()
    bits = stream(1, "bit flips", path.name).choice(8 * len(content), n, replace=False)
    try:
        for bit in bits.tolist():
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            yield bit
    finally:
        path.write_bytes(content)


def count_noticed(path: Path, read: Callable[[], Any], *, n: int = 20) -> int:
    """How many of ``n`` flips in ``path`` are refused by ``read``; all others change nothing.

    An error must be one line, say which file is damaged, and what to do.
    """
    expected, noticed = read(), 0
    for bit in flipped(path, n):
        try:
            found = read()
        except AnodeError as error:
            _check_message(str(error), path)
            noticed += 1
        else:
            assert same(found, expected), f"bit {bit} of {path.name} went unnoticed"
    assert same(read(), expected)
    return noticed


def _check_message(text: str, path: Path) -> None:
    assert "\n" not in text
    assert path.name in text or str(path.parent) in text, text
    assert any(word in text for word in ("delete", "again", "copy")), text


def same(one: Any, other: Any) -> bool:
    """Whether nested numbers are the same to the last digit; NaN is equal to itself."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other)
