"""Imports go strictly down the layers, and a few libraries stay in their rooms."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "anode"

# Lower layers first; siblings of one layer do not import each other.
LAYERS = [
    {"errors"},
    {"seeding", "io", "parallel", "rates"},
    {"events"},
    {"jets"},
    {"regions"},
    {"density"},
    {"training"},
    {"methods", "evaluation", "benchmark", "search"},
    {"reporting"},
    {"pipeline"},
]
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}

# library -> where it may be imported, relative to the package
CONFINED = {
    "hydra": {"pipeline"},
    "omegaconf": {"pipeline"},
    "wandb": {"training/trackers.py"},
    "nflows": {"density"},
    "matplotlib": {"reporting"},
    "h5py": {"io.py", "events"},
    "pythia8mc": {"events"},
    "sklearn": {"methods"},
    "threadpoolctl": {"methods", "parallel.py"},
    "fastjet": {"jets", "benchmark/raw_events.py"},
    "iminuit": {"search"},
    "pyBumpHunter": {"search"},
    "jinja2": {"reporting"},
    "dask": {"pipeline/cluster.py"},
    "distributed": {"pipeline/cluster.py"},
    "dask_jobqueue": {"pipeline/cluster.py"},
}
WITHOUT_TORCH = ("evaluation", "search", "events", "reporting")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "anode" and len(parts) > 1 and parts[1] in HEIGHT and parts[1] != room:
            assert HEIGHT[parts[1]] < HEIGHT[room], f"{path} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path):
    relative = path.relative_to(PACKAGE)
    for name in {name.split(".")[0] for name in imports(path)}:
        allowed = CONFINED.get(name, {relative.parts[0]})
        assert relative.parts[0] in allowed or str(relative) in allowed, f"{relative}: {name}"
        if relative.parts[0] in WITHOUT_TORCH:
            assert name != "torch", f"{relative} must do without torch"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_scipy_stats_is_loaded_when_it_is_used(path):
    """``import scipy``, then ``scipy.stats.norm``: a second less at the start of every process."""
    assert not any(name.startswith("scipy.stats") for name in imports(path))
