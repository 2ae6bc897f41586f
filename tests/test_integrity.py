"""Seals: what is written comes back, what has changed since is refused, what has none is read."""

import os

import h5py
import numpy as np
import pytest
import torch

from anode import integrity, io
from anode.configuration.builder import as_saved, read_saved
from anode.errors import AnodeError, ConfigError, RunDirectoryError
from anode.training.checkpoints import load_tensors, save_tensors
from helpers.bit_flips import count_noticed

CONTENT = {"auc": 0.83, "at": {"1e-3": 9.25, "1e-2": None}, "names": ["a", "ü"], "n": 3}


def write(path) -> None:
    """A file of the kind that its name ends in."""
    if path.suffix == ".json":
        io.write_json(path, CONTENT, sealed=True)
    elif path.suffix == ".yaml":
        io.write_text(path, as_saved(CONTENT))
    elif path.suffix == ".h5":
        io.write_hdf5(path, {"score": np.arange(50.0)}, {"unit": "GeV"})
    else:
        save_tensors(path, {"weights": torch.arange(50.0), "n": 3})


def read(path):
    if path.suffix == ".json":
        return io.read_json(path)
    if path.suffix == ".yaml":
        return read_saved(path)
    if path.suffix == ".h5":
        with io.open_hdf5(path) as file:
            return file["score"][:], dict(file.attrs)
    content = load_tensors(path)
    return content["weights"].numpy(), content["n"]


@pytest.mark.parametrize("suffix", ["json", "yaml", "h5", "pt"])
def test_every_flipped_bit_is_noticed_or_changes_nothing(tmp_path, suffix):
    path = tmp_path / f"file.{suffix}"
    write(path)
    n = min(400, 8 * path.stat().st_size)
    assert count_noticed(path, lambda: read(path), n=n) > 0.7 * n


@pytest.mark.parametrize("suffix", ["json", "yaml", "h5", "pt"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_file_is_noticed(tmp_path, suffix, share):
    path = tmp_path / f"file.{suffix}"
    write(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(AnodeError, match=path.name):
        read(path)


def test_files_without_a_seal_are_read_as_they_are(tmp_path):
    io.write_json(tmp_path / "a.json", CONTENT)
    assert read(tmp_path / "a.json") == CONTENT
    (tmp_path / "a.yaml").write_text("seed: 2\n")
    assert read(tmp_path / "a.yaml") == {"seed": 2}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["score"] = np.arange(3.0)
    assert np.array_equal(read(tmp_path / "a.h5")[0], np.arange(3.0))
    torch.save({"weights": torch.ones(2), "n": 1}, tmp_path / "a.pt")
    assert read(tmp_path / "a.pt")[1] == 1


def test_the_seal_of_a_json_file_is_of_its_content_and_no_part_of_it(tmp_path):
    path = tmp_path / "a.json"
    io.write_json(path, {"window": (3300, 3700), 1: -0.0}, sealed=True)
    content = io.read_json(path)
    assert content == {"window": [3300, 3700], "1": 0.0}
    text = path.read_text()
    path.write_text(text.replace("\n", "\n\n"))
    assert io.read_json(path) == content
    path.write_text(text.replace("3300", "3301"))
    with pytest.raises(RunDirectoryError, match=r"a\.json must be as it was written"):
        io.read_json(path)
    io.write_json(path, {**content, "window": []})  # by a program: without the seal
    assert io.read_json(path)["window"] == []


def test_other_programs_read_sealed_files(tmp_path):
    for name in ("a.h5", "a.pt"):
        write(tmp_path / name)
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file["score"]) == 50
    assert torch.load(tmp_path / "a.pt", weights_only=True)["n"] == 3


def test_a_large_file_is_hashed_again_when_it_has_been_touched(tmp_path):
    path = tmp_path / "a.h5"
    io.write_hdf5(path, {"x": np.zeros(500_000)})
    integrity.check(path)
    with open(path, "r+b") as file:
        file.seek(2_000_000)
        file.write(b"\x01")
    os.utime(path)
    with pytest.raises(RunDirectoryError, match=r"a\.h5 must be as it was written"):
        integrity.check(path)


@pytest.mark.parametrize("text", ["- 1\n", "a: [\n", "a: ${\n", "a: ${b}\n"])
def test_a_configuration_that_is_none_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_saved(tmp_path / "config.yaml")
    assert "\n" not in str(caught.value)
