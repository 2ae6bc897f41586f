"""The second opinion on the largest excess, and what is said where its package is absent."""

import logging
import sys
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from anode.statistics.scan.cross_checks import second_opinion
from anode.statistics.scan.window_spectra import Spectra


def asked() -> dict[str, Any]:
    """One window around an excess of 60 events in a flat spectrum of 100 a bin."""
    edges = np.linspace(3000.0, 4000.0, 21)
    counts = np.full((1, 2, 20), 100)
    counts[:, :, 10] += 60
    inside = np.zeros((1, 20), dtype=bool)
    spectra = Spectra(
        edges=edges,
        low=np.array([3400.0]),
        high=np.array([3600.0]),
        strip=np.zeros(1),
        efficiency=np.array([1.0, 0.1]),
        counts=counts,
        n_inside=counts.sum(axis=2),
        used=~inside,
        inside=inside,
    )
    best = cast(Any, SimpleNamespace(low=3400.0, efficiency=0.1))
    expected = np.full((1, 2, 20), 100.0)
    return {"spectra": spectra, "expected": expected, "best": best, "seed": 1, "n_toys": 50}


def test_the_excess_is_seen_with_and_without_the_cut():
    pytest.importorskip("pyBumpHunter")
    hunts = second_opinion(**asked())
    assert set(hunts) == {"inclusive", "selected"}
    assert all(hunt.low <= 3500 < hunt.high for hunt in hunts.values())


def test_without_its_package_one_line_names_the_extra_and_the_search_goes_on(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "pyBumpHunter", None)
    with caplog.at_level(logging.WARNING, "anode"):
        assert second_opinion(**asked()) == {}
    (record,) = caplog.records
    assert record.getMessage() == (
        "left out: the cross-check by BumpHunter needs the package pyBumpHunter: "
        "pip install 'anode[bump-hunter]'"
    )
