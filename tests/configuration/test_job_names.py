"""Folders of a multirun are named by the swept keys, short and without slashes."""

import pytest

from anode.commands.main import main
from anode.commands.table import COMMANDS
from anode.configuration.job_names import MAX_LENGTH, job_name, naming_overrides
from helpers.fake_command import FAKE


@pytest.mark.parametrize(
    ("overrides", "without", "name"),
    [
        (["seed=1"], [], "seed=1"),
        (["seed=1", "method=anode"], [], "method=anode,seed=1"),
        (["seed=1", "method=anode"], ["method"], "seed=1"),
        (["data.path=/a/b.h5"], [], "data.path=_a_b.h5"),
        (["+distortion.shift={mj1: 0.1}"], [], "+distortion.shift={mj1:_0.1}"),
        (["+x=1"], ["x"], ""),
        (["density@method.density=maf"], ["density"], "density@method.density=maf"),
    ],
)
def test_a_name_has_the_keys_that_differ(overrides, without, name):
    assert job_name(overrides, without) == name


def test_a_long_name_is_cut_and_stays_unique():
    names = [job_name([f"features=[{'x' * 300}]", f"seed={seed}"]) for seed in range(20)]
    assert {len(name) for name in names} == {MAX_LENGTH}
    assert len(set(names)) == 20
    assert len(job_name(["features=" + "é" * 300]).encode()) <= MAX_LENGTH


def test_keys_of_one_value_are_left_out_where_another_is_swept():
    added = naming_overrides(["seed=1,2", "data.path=/a/b.h5", "+x=3", "~y"])
    assert added == ["hydra.job.config.override_dirname.exclude_keys=['data.path', 'x', 'y']"]
    assert naming_overrides(["seed=1", "x=2"]) == []
    assert naming_overrides(["seed=1,2"]) == []


@pytest.mark.parametrize(
    ("config", "overrides", "folders"),
    [
        ("run", ["seed=1,2", "data.path=/a/b.h5"], {"seed=1", "seed=2"}),
        ("run", ["seed=1,2", "n_jobs=1,2"], {"seed=1", "seed=2"}),
        ("run", ["experiment=toy,anode", "store=a/b"], {"experiment=toy", "experiment=anode"}),
        ("run", ["seed=range(1,3)", "trainer.epochs=1"], {"seed=1", "seed=2"}),
        ("run", ["seed=3", "trainer.epochs=1"], {"seed=3,trainer.epochs=1"}),
        ("search", ["scan.window=0,1", "seed=3"], {"done"}),
        ("search", ["scan.window=0,1", "seed=3,4"], {"seed=3", "seed=4"}),
    ],
)
def test_jobs_of_a_multirun_lie_side_by_side(config, overrides, folders, monkeypatch, tmp_path):
    command = FAKE._replace(config=config, parse="helpers.fake_command:anything")
    monkeypatch.setitem(COMMANDS, "fake", command)
    assert main(["fake", "--multirun", f"run_dir={tmp_path}/sweep", *overrides]) == 0
    assert {path.name for path in tmp_path.glob("sweep/*")} - {"multirun.yaml"} == folders
