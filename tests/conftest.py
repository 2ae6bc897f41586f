"""What tests share: small flows, quick recipes, and a run of the whole chain on the toy."""

import hypothesis
import pytest
import torch

from anode.density.ensemble import EnsembleConfig

collect_ignore = ["service/locustfile.py"]  # needs locust, which tests do without

torch.set_num_threads(1)

# The same examples each time, and no test that fails on a busy machine.
hypothesis.settings.register_profile("anode", deadline=None, derandomize=True)
hypothesis.settings.load_profile("anode")


@pytest.fixture
def last_two() -> EnsembleConfig:
    return EnsembleConfig("last", 2, 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--examples", type=int, default=25, help="examples of each route to fuzz")
