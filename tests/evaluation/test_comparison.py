"""Comparisons: committed files come back, and differences are those of common seeds."""

import json
from pathlib import Path

import numpy as np
import pytest

from anode import io
from anode.errors import DataError
from anode.evaluation.comparison import QUANTITIES, Comparison, FinishedRun, variants_of
from anode.evaluation.run_metrics import RunMetrics
from helpers.settings import REPOSITORY

REFERENCE = REPOSITORY / "results" / "reference"
FILES = sorted(REFERENCE.rglob("comparison.json"))


def finished(method: str, aucs: dict[int, float | None], **others: float) -> list[FinishedRun]:
    runs = [RunMetrics(method, seed, auc=auc, **others) for seed, auc in aucs.items()]
    return [FinishedRun(Path("run"), {}, metrics, None) for metrics in runs]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.parent.name)
def test_a_committed_comparison_is_written_again_byte_by_byte(path):
    comparison = Comparison.from_json(io.read_json(path), path)
    assert json.dumps(comparison.to_json(), indent=2) + "\n" == path.read_text()


def test_committed_comparisons_are_old_and_new():
    old = [path for path in FILES if "point" not in next(iter(io.read_json(path).values()))]
    assert 0 < len(old) < len(FILES)
    (group, *_) = Comparison.from_json(io.read_json(old[0]), old[0]).groups
    assert (group.point, group.variant, group.method, group.uses_truth) == (
        "", group.name, None, False,
    )  # fmt: skip


def test_groups_are_compared_seed_by_seed_with_the_first_of_their_point():
    groups = {
        "a/one": finished("anode", {1: 0.5, 2: 0.7, 3: 0.9}, cpu_seconds=7.0),
        "a/two": finished("cwola", {3: 0.8, 2: 0.5, 4: 0.1}),
        "b/two": finished("cwola", {1: 0.6, 2: None}),
    }
    places = {"a/one": ("a", "one"), "a/two": ("a", "two"), "b/two": ("b", "two")}
    one, two, other = Comparison.of(groups, places).groups
    assert one.quantities["auc"].minus_first is other.quantities["auc"].minus_first is None
    difference = two.quantities["auc"].minus_first
    assert difference is not None
    assert difference.n == 2
    assert difference.mean == pytest.approx(-0.15)  # of -0.1 and -0.2
    assert difference.error == pytest.approx(np.std([-0.1, -0.2], ddof=1) / np.sqrt(2))
    assert one.over_seeds("auc").median == 0.7
    assert other.by_seed("auc") == {"1": 0.6}
    assert other.over_seeds("auc").n == 1
    assert one.over_seeds("cpu_seconds").median == 7
    assert "cpu_seconds" not in two.quantities
    assert set(QUANTITIES) <= set(two.quantities)
    assert two.over_seeds("max_sic") is two.over_seeds("nonsense") is None
    assert list(variants_of([one, two, other])["two"]) == [two, other]


def test_a_group_of_several_methods_has_none_and_truth_of_one_run_marks_it():
    runs = finished("anode", {1: 0.5}) + finished("iad", {1: 0.9}, uses_truth=True)
    (group,) = Comparison.of({"both": runs}).groups
    assert (group.method, group.uses_truth, group.n_runs) == (None, True, 2)
    assert group.over_seeds("auc").n == 2


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, r"comparison\.json: default\.n_runs is missing, expected a whole number"),
        ({"n_runs": 1, "auc by seed": {"1": "x"}},
         r"default\.auc by seed\.1 must be a number or null, got 'x'"),
        ({"n_runs": 1, "auc by seed": {}, "auc": 3}, r"default\.auc must be a group of keys"),
        ({"n_runs": 1, "point": None}, r"default\.point must be a text, got None"),
    ],
)  # fmt: skip
def test_a_broken_comparison_is_refused_by_its_key(entry, message):
    with pytest.raises(DataError, match=message):
        Comparison.from_json({"default": entry}, "comparison.json")
