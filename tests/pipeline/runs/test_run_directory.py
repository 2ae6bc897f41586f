"""Manifest and metrics of a run directory, read as records and written entry by entry."""

import dataclasses

import pytest

from anode import io
from anode.errors import DataError, RunDirectoryError
from anode.events.simulation.toy import Toy
from anode.pipeline.runs.run_directory import RunDirectory, describe_data
from anode.provenance import KeyDescription, Manifest, provenance
from anode.seeding import stream


@pytest.fixture
def directory(tmp_path) -> RunDirectory:
    return RunDirectory(tmp_path)


def toy_data():
    return describe_data(Toy().sample(50, 5, stream(1, "toy")), None, [])


def test_the_manifest_says_who_made_what_of_which_data_in_which_time(directory):
    assert directory.read_manifest() == Manifest()
    directory.check_data(toy_data())
    with directory.timed("train"):
        pass
    with directory.timed("train"):
        pass
    directory.record_key(KeyDescription("key.txt", "ab", 5))
    content = io.read_json(directory.manifest)
    assert list(content) == [
        "command", "git_commit", "git_dirty", "python", "packages", "data", "seconds",
        "cpu_seconds", "peak_memory_mb", "key",
    ]  # fmt: skip
    manifest = directory.read_manifest()
    assert manifest.to_json() == content
    assert manifest.python == provenance().python
    assert manifest.data is not None
    assert (manifest.data.source, manifest.data.n_data, manifest.data.n_data_signal) == (
        "toy", 55, 5,
    )  # fmt: skip
    assert set(manifest.seconds) == set(manifest.cpu_seconds) == {"train"}
    assert manifest.key == KeyDescription("key.txt", "ab", 5)


def test_what_others_have_put_into_a_manifest_stays(directory):
    io.write_json(directory.manifest, {"note": "mine", "seconds": {"train": 3.0}})
    directory.record_provenance()
    with directory.timed("score"):
        pass
    content = io.read_json(directory.manifest)
    assert content["note"] == "mine"
    assert content["seconds"]["train"] == 3
    assert set(content["seconds"]) == {"train", "score"}


def test_other_data_are_refused(directory):
    data = toy_data()
    directory.check_data(data)
    directory.check_data(dataclasses.replace(data, source="elsewhere"))
    with pytest.raises(RunDirectoryError, match=r"toy has changed since this run began .* ab now"):
        directory.check_data(dataclasses.replace(data, sha256="ab"))


def test_hashes_are_those_of_the_files_and_of_all_together():
    assert dataclasses.replace(toy_data(), file_sha256=("a", "b"), sha256="ab").hashes == {
        "a", "b", "ab",
    }  # fmt: skip


def test_broken_files_are_named_with_their_key(directory):
    io.write_json(directory.manifest, {"data": {"source": "x"}})
    with pytest.raises(DataError, match=r"manifest\.json: data\.files is missing, expected a"):
        directory.read_manifest()
    io.write_json(directory.metrics, {"method": "anode"})
    with pytest.raises(DataError, match=r"metrics\.json: seed is missing, expected a whole"):
        directory.read_metrics()
