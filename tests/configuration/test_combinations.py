"""Experiments, methods and densities combine freely, in runs and in searches."""

from itertools import cycle, product

import pytest

from anode.configuration.builder import resolve
from anode.configuration.composition import compose
from anode.configuration.keys import choices_of
from anode.pipeline.runs.config import RunConfig, compose_run
from anode.pipeline.search.config import search_from_mapping


def names(group: str) -> list[str]:
    return [choice.name for choice in choices_of(group)]


EXPERIMENTS, METHOD_FILES, DENSITIES = names("experiment"), names("method"), names("density")
PAIRS = list(product(EXPERIMENTS, METHOD_FILES))
SEARCHING = [name for name in METHOD_FILES if name not in ("iad", "supervised")]


def run_of(experiment: str, *overrides: str) -> RunConfig:
    return compose_run([f"experiment={experiment}", *overrides], "somewhere")


@pytest.mark.parametrize(
    ("experiment", "method", "density"),
    [(*pair, density) for pair, density in zip(PAIRS, cycle(DENSITIES), strict=False)],
)
def test_an_experiment_goes_with_a_method_and_a_density(experiment, method, density):
    config = run_of(experiment, f"method={method}", f"density={density}")
    assert config.method.name == method.removesuffix("_cold_start").removesuffix("_quick")
    assert config.density.name == density.removesuffix("_paper")


@pytest.mark.slow
@pytest.mark.parametrize("density", DENSITIES)
def test_all_of_them_go_together(density):
    for experiment, method in PAIRS:
        assert run_of(experiment, f"method={method}", f"density={density}")


@pytest.mark.parametrize(
    ("experiment", "method"), list(zip(EXPERIMENTS, cycle(SEARCHING), strict=False))
)
def test_an_experiment_can_be_searched_with_a_method(experiment, method):
    for overrides in ([], [f"method={method}"]):
        raw = compose("search", [f"experiment={experiment}", *overrides])
        content = {**resolve(raw), "run_dir": "somewhere"}
        assert search_from_mapping(content).run.run_dir == "somewhere"


@pytest.mark.parametrize("experiment", ["anode_paper", "toy"])
def test_experiments_without_a_warm_start_keep_it_from_anode_alone(experiment):
    assert run_of(experiment).method == run_of(experiment, "method=anode_cold_start").method
    assert not run_of(experiment).method.warm_start
    assert run_of(experiment, "method=anode").method.warm_start


def test_a_cold_start_is_all_that_differs_from_anode():
    cold, warm = (run_of("anode", f"method={m}").method for m in ("anode_cold_start", "anode"))
    assert (cold.name, cold.joint) == (warm.name, warm.joint)
    assert (cold.warm_start, warm.warm_start) == (False, True)
