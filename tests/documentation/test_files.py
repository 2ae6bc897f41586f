"""The page of files names everything that a run and a search leave."""

from pathlib import Path

import h5py
import pytest

from anode.configuration.composition import compose
from anode.io import read_json
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import from_mapping
from anode.pipeline.search.config import parse_search
from anode.pipeline.search.search import find
from helpers.chain import QUICK, composed_content
from helpers.pages import read_page
from helpers.settings import REPOSITORY

PAGE = read_page(REPOSITORY / "docs/reference/files.md")
NAMED = {name.rstrip("/") for code in PAGE.inline_code for name in (code, code.split("/")[-1])}
GENERATED = "\n".join(block.kind for block in PAGE.blocks)
"""Records whose keys the site lists itself."""


def datasets(path: Path) -> set[str]:
    with h5py.File(path) as file:
        return set(file)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    run_dir = tmp_path_factory.mktemp("run") / "run"
    content = {**composed_content(*QUICK, "ensemble.size=2"), "run_dir": str(run_dir)}
    stages.run(from_mapping(content))
    return run_dir


def test_every_file_of_a_run_is_named(run_dir: Path) -> None:
    left = {path.name for path in run_dir.iterdir() if not path.name.startswith(".")}
    of_fit = {path.name for path in (run_dir / "checkpoints/background").iterdir()}
    patterns = {"epoch_NNNN.pt" if name.startswith("epoch_") else name for name in of_fit}
    assert left | patterns <= NAMED


def test_every_dataset_of_a_run_is_named(run_dir: Path) -> None:
    assert datasets(run_dir / "scores.h5") <= NAMED
    assert "SicCurve" in GENERATED  # whose fields are those of curves.h5


def test_every_key_of_a_manifest_is_named(run_dir: Path) -> None:
    manifest = read_json(run_dir / "manifest.json")
    named = NAMED | {code.partition(".")[0] for code in PAGE.inline_code}
    assert set(manifest) <= named
    assert "DataDescription" in GENERATED


SEARCH = [
    "method=isolation_forest",
    "method.trees=20",
    "data=toy",
    "data.n_background=4000",
    "data.n_signal=300",
    "injection.n_signal=null",
    "scan.start=3200",
    "scan.stop=3800",
    "scan.step=200",
    "scan.min_events=50",
    "spectrum.low=3000",
    "efficiencies=[0.1]",
    "split.folds=2",
    "n_toys=100",
    "overdispersion.n_experiments=0",
    "extras=false",
    "n_jobs=1",
    "store=null",
]


@pytest.fixture(scope="module")
def search_dir(tmp_path_factory) -> Path:
    run_dir = tmp_path_factory.mktemp("search") / "search"
    find(parse_search(compose("search", [*SEARCH, f"run_dir={run_dir}"])))
    return run_dir


def test_every_file_of_a_search_is_named(search_dir: Path) -> None:
    left = {path.name for path in search_dir.iterdir() if not path.name.startswith(".")}
    window = next((search_dir / "windows").iterdir())
    of_window = {path.name for path in window.iterdir() if not path.name.startswith(".")}
    assert (left - {"windows"}) | of_window <= NAMED


def test_every_dataset_of_a_search_is_named(search_dir: Path) -> None:
    window = next((search_dir / "windows").iterdir())
    assert datasets(search_dir / "spectra.h5") | datasets(window / "selected.h5") <= NAMED
    for record in ("SearchResult", "WindowFile", "TopEvents"):
        assert record in GENERATED
