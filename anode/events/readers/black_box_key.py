"""Key of a black box: which of its events are signal."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anode.errors import DataError

N_KINDS = 9
"""Kinds of signal that a key may number; more would rather be another file."""


def read_key(path: Path | str) -> NDArray[np.int8]:
    """(N,) labels of a key file, 1 signal and 0 background: one number a line, in file order.

    The layout of the ``.masterkey`` files of https://zenodo.org/records/4536624. The one of black
    box 3 numbers two decays of its signal, 1 and 2: both are signal.

    Raises:
        DataError: the file is missing, or a line is no number of that kind.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read {path}: expected text, one number a line ({error})"
        ) from None
    while lines and not lines[-1].strip():
        lines.pop()
    known = {text: _label(text) for text in set(lines)}
    for number, text in enumerate(lines, start=1):
        if known[text] is None:
            raise DataError(
                f"{path}: every line must be 0 (background) or 1, 2, ... (signal), but line "
                f"{number} is {text[:40]!r}"
            )
    return np.array([known[text] for text in lines], dtype=np.int8)


def _label(text: str) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value > 0) if value in range(N_KINDS + 1) else None
