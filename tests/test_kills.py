"""Commands that are killed at random moments end with the numbers of undisturbed ones.

``python tests/helpers/kills.py NAME 20`` does it for longer.
"""

import numpy as np
import pytest

from anode import io
from helpers.kills import COMMANDS, content, differences, killed_and_given_again


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_ends_as_an_undisturbed_one(tmp_path, name):
    if name == "features":
        pytest.importorskip("fastjet")
    outcome = killed_and_given_again(name, 2, seed=1, root=tmp_path)
    assert not outcome.faults, outcome
    assert outcome.finished


@pytest.fixture
def folder(tmp_path):
    io.write_json(tmp_path / "metrics.json", {"auc": 0.8, "seconds": 3.0})
    io.write_hdf5(tmp_path / "scores.h5", {"score": np.arange(5.0)})
    return tmp_path


def test_times_are_no_difference(folder):
    wanted = content(folder)
    io.write_json(folder / "metrics.json", {"auc": 0.8, "seconds": 4.0})
    assert differences(wanted, content(folder)) == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("metrics.json", lambda p: io.write_json(p, {"auc": 0.8000001, "seconds": 3.0})),
        ("scores.h5", lambda p: io.write_hdf5(p, {"score": np.nextafter(np.arange(5.0), 9)})),
        (".scan.host-1.partial.png", lambda p: p.write_bytes(b"half")),
        ("scores.h5", lambda p: p.unlink()),
    ],
)
def test_other_numbers_lost_files_and_leftovers_are(folder, name, change):
    wanted = content(folder)
    change(folder / name)
    (found,) = differences(wanted, content(folder))
    assert name in found
