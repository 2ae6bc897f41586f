"""The notebooks run from top to bottom: on a finished run, with truth labels and without, and on
studies of all methods."""

import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import pytest
from hydra import compose, initialize_config_dir

from anode import io
from anode.evaluation.comparison import Comparison
from anode.pipeline.runs import config as configuration
from anode.pipeline.runs import evaluate as judge
from anode.pipeline.runs import stages
from anode.pipeline.studies import compare
from anode.pipeline.studies.compare import find_runs, group_runs
from anode.reporting.common.style import notice_figure, save_figure
from helpers.settings import REPOSITORY
from helpers.synthetic_runs import synthetic_study, write_runs

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

NOTEBOOK = REPOSITORY / "notebooks" / "anode_figures.ipynb"
N_FIGURES = 8  # ROC, SIC, scores, densities, R against mass, mass spectrum, closure, losses
QUICK = [
    "data=toy",
    "data.n_background=6000",
    "data.n_signal=1500",
    "injection.n_signal=300",
    "density=maf",
    "density.n_transforms=2",
    "density.hidden_features=16",
    "trainer.epochs=2",
    "ensemble.size=2",
    "split.folds=2",
    "evaluation.n_bootstrap=20",
    "evaluation.n_closure=2000",
    "n_jobs=1",
    "tracker=none",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run, but for its figures: drawing them takes far longer than all the fits."""
    run_dir = tmp_path_factory.mktemp("notebook") / "run"
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        raw = compose("run", overrides=[*QUICK, f"run_dir={run_dir}"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "save_figure", lambda figure, path: None)
        stages.run(configuration.from_mapping(configuration.resolve(raw)))
    save_figure(notice_figure("closure"), run_dir / "figures" / "closure")
    return run_dir


@pytest.fixture(scope="module")
def unlabelled(finished) -> Path:
    """The same run as it would be had the events come without truth."""
    run_dir = finished.with_name("unlabelled")
    shutil.copytree(finished, run_dir)
    (run_dir / "curves.h5").unlink()
    with h5py.File(run_dir / "scores.h5", "r+") as file:
        del file["label"]
    known = io.read_json(run_dir / "metrics.json")
    unknown = [name for name in known if "auc" in name or "sic" in name or "s_over" in name]
    unknown += ["n_injected_sr", "fpr_floor", "n_test_signal", "n_test_background"]
    io.write_json(run_dir / "metrics.json", known | dict.fromkeys(unknown))
    return run_dir


@pytest.fixture
def execute(monkeypatch, tmp_path):
    """Run the notebook on a run directory from a working directory; gives its code cells."""

    def run(run_dir: Path, comparison: Path, cwd: Path) -> list[Any]:
        monkeypatch.setenv("ANODE_RUN_DIR", str(run_dir))
        monkeypatch.setenv("ANODE_COMPARISON_DIR", str(comparison))
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
        return execute_notebook(NOTEBOOK, cwd)

    return run


def execute_notebook(path: Path, cwd: Path, parameters: str = "") -> list[Any]:
    """Run a notebook, with what replaces its parameters."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source += f"\n{parameters}"
    resources = {"metadata": {"path": str(cwd)}}
    nbclient.NotebookClient(
        notebook, timeout=600, startup_timeout=300, resources=resources
    ).execute()
    return code_cells(notebook)


def code_cells(notebook) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def check_execution(cells: list[Any], n_figures: int = N_FIGURES) -> None:
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}, "warnings shown"
    assert sum("image/png" in output.get("data", {}) for output in outputs) == n_figures


def shown(cells: list[Any]) -> str:
    """All text and markdown that the cells put out."""
    outputs = [output for cell in cells for output in cell.outputs]
    texts = [o.get("text", o.get("data", {}).get("text/markdown", "")) for o in outputs]
    return "\n".join(texts)


@pytest.mark.parametrize("path", sorted(NOTEBOOK.parent.glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_committed_notebook_has_no_outputs_and_counted_cell_ids(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(cell.outputs == [] for cell in code_cells(notebook))
    assert all(cell.execution_count is None for cell in code_cells(notebook))
    assert [cell.id for cell in notebook.cells] == [str(i) for i in range(len(notebook.cells))]


def test_it_shows_a_labelled_run_and_a_comparison(finished, execute, tmp_path):
    groups = group_runs(find_runs([str(finished)]), None)
    io.write_json(tmp_path / "comparison" / "comparison.json", Comparison.of(groups).to_json())
    cells = execute(finished, tmp_path / "comparison", NOTEBOOK.parent)
    check_execution(cells)
    text = shown(cells)
    assert f"{io.read_json(finished / 'metrics.json')['auc']:.3f} ±" in text
    assert "| all runs | 1 |" in text
    for feature in ("x1", "x2", "x3", "x4"):
        assert f"| {feature} | 0." in text


def test_it_shows_a_run_without_labels(unlabelled, execute, tmp_path):
    cells = execute(unlabelled, tmp_path / "none", REPOSITORY)
    check_execution(cells)
    text = shown(cells)
    assert "no truth labels: no ROC/SIC" in text
    assert "no comparison in" in text


@pytest.mark.slow
def test_without_a_run_it_makes_a_short_one_and_shows_it_beside_what_is_committed(
    monkeypatch, tmp_path
):
    for name in ("ANODE_RUN_DIR", "ANODE_COMPARISON_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    short = tmp_path / "short"
    parameters = [f"SHORT_RUN = {[*QUICK, 'store=null']}", f"SHORT_RUN_DIR = Path({str(short)!r})"]
    parameters += [f"RUN_DIR = Path({str(tmp_path / 'none')!r})"]
    cells = execute_notebook(NOTEBOOK, NOTEBOOK.parent, "\n".join(parameters))
    check_execution(cells)
    text = shown(cells)
    assert f"{io.read_json(short / 'metrics.json')['auc']:.3f} ±" in text
    committed = io.read_json(REPOSITORY / "results/reference/anode/full/comparison.json")
    assert all(f"| {name} | {group['n_runs']} |" in text for name, group in committed.items())


@pytest.mark.slow
def test_a_run_that_is_named_and_missing_is_an_error_that_says_so(execute, tmp_path):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ANODE_RUN_DIR must name"):
        execute(tmp_path / "none", tmp_path, REPOSITORY)


@pytest.mark.slow
def test_the_family_is_shown_from_what_is_committed(monkeypatch, tmp_path):
    monkeypatch.delenv("ANODE_FAMILY_DIR", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    cells = execute_notebook(NOTEBOOK.with_name("family.ipynb"), REPOSITORY)
    check_execution(cells, n_figures=7)


@pytest.mark.slow
def test_the_family_is_shown_from_its_comparisons(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "make", lambda study, n_jobs: [])
    for name, points, figures in (
        ("family", [], ["sic", "roc"]),
        ("scan", ["0.001", "0.01"], []),
        ("robustness", ["default", "shifted"], []),
        ("no_signal", [], ["sic"]),
    ):
        study = synthetic_study(
            tmp_path / "runs" / name,
            seeds=[1, 2],
            output=str(tmp_path / "family" / name),
            points={point: [] for point in points},
            figures=figures,
        )
        write_runs(study)
        compare.compare_study(study, n_jobs=1)
    monkeypatch.setenv("ANODE_FAMILY_DIR", str(tmp_path / "family"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    cells = execute_notebook(NOTEBOOK.with_name("family.ipynb"), NOTEBOOK.parent)
    check_execution(cells, n_figures=7)
    text = shown(cells)
    assert "| supervised* " in text
    assert "| shifted/cwola " in text


@pytest.mark.slow
def test_the_exploration_of_the_bundled_particles_needs_no_run():
    cells = execute_notebook(NOTEBOOK.with_name("01_data_exploration.ipynb"), REPOSITORY)
    check_execution(cells, n_figures=8)
    assert "| signal region | [3300, 3700)" in shown(cells)


@pytest.mark.slow
def test_representations_are_shown_and_one_is_fitted():
    notebook = NOTEBOOK.with_name("representations.ipynb")
    cells = execute_notebook(notebook, REPOSITORY, "EPOCHS = 1")
    check_execution(cells, n_figures=4)
    text = shown(cells)
    assert "16 latent numbers" in text
    assert re.search(r"-tau21 of the heavier jet +\| 0\.849 ", text)


@pytest.mark.slow
def test_a_dark_sector_is_made_and_found_from_nothing(tmp_path, monkeypatch):
    pytest.importorskip("pythia8mc")
    monkeypatch.setenv("ANODE_DARK_SECTOR_DIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = NOTEBOOK.with_name("dark_sector.ipynb")
    small = "N_EVENTS, N_QCD, STRENGTHS, EPOCHS = 120, 400, [0, 1], 5"
    cells = execute_notebook(notebook, REPOSITORY, small)
    check_execution(cells, n_figures=6)
    text = shown(cells)
    assert "NominalSM: 360 jets, 0% dark" in text
    assert "| density_given_pt " in text
    assert re.search(r"\| event and shower +\| 1 +\|", text)
