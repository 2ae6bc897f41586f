r"""Is a file as it was written? A hash that it carries, checked whenever it is read.

Disks and copies change files without a word, and neither torch nor HDF5 checks what it reads: one
flipped bit in a checkpoint moves every score a little. So a file that is read back holds the
SHA-256 of the rest of itself, its *seal*:

=====================  =======================================================
JSON                   key ``sha256_of_rest``
YAML                   first line, ``# sha256 of the rest: HASH``
HDF5, ``.pt``, .npz``  last line, ``sha256 of the rest: HASH``, which readers of
                       these formats pass over
=====================  =======================================================

A file without a seal is of an earlier version, or of someone else, and is read as it is.
"""

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from anode.errors import RunDirectoryError

KEY = "sha256_of_rest"
"""Key of the seal of a JSON file."""

RESTORE = "bring it back from a copy, or delete it and make it again"
"""What to do with a damaged file, where nothing better is known."""

_BEFORE = "sha256 of the rest: "
_MARK = f"\n{_BEFORE}".encode()
_LENGTH = len(_MARK) + 64 + 1  # of a last line, with line breaks before and after
_COMMENT = f"# {_BEFORE}"
_BLOCK = 1 << 20


def seal(content: bytes) -> bytes:
    """Bytes of an HDF5 file, or of an archive of torch or numpy, with a last line that seals them.

    >>> len(seal(b"content")) - len(b"content")
    86
    """
    return content + _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"


def read(path: Path | str, *, remedy: str = RESTORE) -> bytes:
    """The bytes of a file, without its seal.

    Args:
        path: path of the file.
        remedy: what to do about a damaged file, for the message.

    Raises:
        FileNotFoundError: there is no such file.
        RunDirectoryError: it is not as it was written.
    """
    content = Path(path).read_bytes()
    rest, expected = content[:-_LENGTH], _hash_in(content[-_LENGTH:])
    if expected is None:
        return content
    if hashlib.sha256(rest).hexdigest() != expected:
        raise damaged(path, remedy)
    return rest


def check(path: Path | str, *, remedy: str = RESTORE) -> None:
    """Check the last line of a file of any size, once as long as the file is not touched.

    Raises:
        FileNotFoundError: there is no such file.
        RunDirectoryError: it is not as it was written.
    """
    facts = Path(path).stat()
    if not _is_whole(str(path), facts.st_size, facts.st_mtime_ns, facts.st_ino):
        raise damaged(path, remedy)


@functools.lru_cache(maxsize=1024)
def _is_whole(path: str, size: int, _changed: int, _inode: int) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, size - _LENGTH))
        expected = _hash_in(file.read())
        if expected is None:
            return True
        file.seek(0)
        digest, left = hashlib.sha256(), size - _LENGTH
        while left and (block := file.read(min(left, _BLOCK))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest() == expected


def _hash_in(last: bytes) -> str | None:
    """The hash in the last ``_LENGTH`` bytes of a file; None if they are no seal."""
    return last[len(_MARK) : -1].decode("ascii", "replace") if last.startswith(_MARK) else None


def seal_json(content: Any) -> dict[str, Any]:
    """A group of keys with the key that seals it, last.

    >>> sorted(seal_json({"auc": 0.83}))
    ['auc', 'sha256_of_rest']
    """
    return {**content, KEY: _hash_of(json.loads(json.dumps(content)))}


def unseal_json(path: Path | str, content: Any, *, remedy: str = RESTORE) -> Any:
    """The content of a JSON file, as it was read, without its seal.

    Raises:
        RunDirectoryError: it is not as it was written.
    """
    if not isinstance(content, dict) or not content:
        return content
    seal = KEY if KEY in content else next(reversed(content))  # the name may be what has changed
    rest = {name: value for name, value in content.items() if name != seal}
    if content[seal] == _hash_of(rest):
        return rest
    if seal == KEY:
        raise damaged(path, remedy)
    return content


def _hash_of(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def seal_text(text: str) -> str:
    r"""A YAML text below a comment that seals it.

    >>> seal_text("seed: 1").replace(hashlib.sha256(b"seed: 1").hexdigest(), "HASH")
    '# sha256 of the rest: HASH\nseed: 1'
    """
    return f"{_COMMENT}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def read_text(path: Path | str, *, remedy: str = RESTORE) -> str:
    """A YAML text, without its seal.

    Raises:
        RunDirectoryError: it is not as it was written, or no text at all.
    """
    content = Path(path).read_bytes()
    first, _, rest = content.partition(b"\n")
    is_sealed = first.startswith(_COMMENT.encode())
    expected = f"{_COMMENT}{hashlib.sha256(rest).hexdigest()}".encode()
    if not content or (is_sealed and first != expected):
        raise damaged(path, remedy)
    try:
        return (rest if is_sealed else content).decode()
    except UnicodeDecodeError:
        raise damaged(path, remedy) from None


def damaged(path: Path | str, remedy: str = RESTORE) -> RunDirectoryError:
    """The error for a file that has changed."""
    return RunDirectoryError(
        f"{path} must be as it was written, but has changed since, on the disk, in a copy or by "
        f"hand (its SHA-256 is another); {remedy}"
    )
