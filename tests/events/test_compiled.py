"""Compiled functions are compiled without a place to keep them, too."""

import pytest

numba = pytest.importorskip("numba")

from anode.events.simulation import compiled as module  # noqa: E402


def test_a_function_is_compiled_where_nothing_can_be_kept(monkeypatch):
    def refuse(function=None, *, cache=False):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(function)

    monkeypatch.setattr(module, "njit", refuse)

    @module.compiled
    def double(x: int) -> int:
        return 2 * x

    assert double(3) == 6
    assert double.signatures
