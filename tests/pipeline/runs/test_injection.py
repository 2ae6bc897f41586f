"""Do runs with other features inject the same events?"""

from pathlib import Path

import numpy as np
import pytest

from anode.events.identity import identity_of
from anode.pipeline.runs.config import compose_run
from anode.pipeline.runs.prepare import prepare

USUAL = ["mj1", "delta_mj", "tau21_1", "tau21_2"]
FEATURES = [["mj1"], ["tau32_1", "pt_2"], [*reversed(USUAL)]]


def drawn(folder: Path, features: list[str]):
    sizes = ["injection.n_signal=20", "injection.n_background=500"]
    named = f"features=[{','.join(features)}]"
    return prepare(compose_run(["data=bundled_particles", named, *sizes], folder))


@pytest.mark.parametrize("features", FEATURES)
def test_an_injection_is_the_same_whatever_the_features(
    tmp_path: Path, features: list[str]
) -> None:
    usual, other = drawn(tmp_path, USUAL), drawn(tmp_path, features)
    assert np.array_equal(usual.data.event_id, other.data.event_id)
    for table in (other.data, other.extra):
        assert np.array_equal(table.identity, identity_of(table.mass, table.features))
