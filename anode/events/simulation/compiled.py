"""Functions compiled to machine code, which is kept on the disk where there is a place for it."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from anode.errors import needs_extra

with needs_extra("generate", "simulating the detector"):
    from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function, compiled when it is first called.

    The code is kept beside its source or in the user's cache; where neither can be written to,
    every process compiles it anew, which takes some seconds.
    """
    try:
        made: Any = njit(cache=True)(function)
    except RuntimeError:  # numba finds no folder to write to
        made = njit(function)
    return cast(Function, made)
