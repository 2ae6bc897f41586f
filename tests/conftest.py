"""What tests share: small flows, quick recipes, and a run of the whole chain on the toy."""

import pytest
import torch

from anode.density.ensemble import EnsembleConfig

torch.set_num_threads(1)


@pytest.fixture
def last_two() -> EnsembleConfig:
    return EnsembleConfig("last", 2, 1)
