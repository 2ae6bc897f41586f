"""Imports go strictly down the layers, inside the large rooms too, and libraries stay confined."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "anode"

# Lower layers first; siblings of one layer do not import each other.
LAYERS = [
    {"errors", "progress", "resources"},
    {"records", "integrity"},
    {"seeding", "io", "parallel", "provenance", "configuration"},
    {"statistics"},
    {"events"},
    {"jets"},
    {"regions"},
    {"density"},
    {"training"},
    {"classifiers", "representations"},
    {"methods"},
    {"evaluation"},
    {"reporting"},
    {"pipeline"},
    {"api", "assistant", "benchmark", "service"},
    {"sklearn"},
    {"commands"},
    {"__main__"},
]
# The same inside a room: "evaluation" alone stands for the modules beside its sub-rooms.
INSIDE = {
    "statistics": [{"counting"}, {"fits"}, {"signal"}, {"scan"}, {"calibration"}],
    "reporting": [{"common"}, {"run", "search", "study", "dataset", "reach"}],
    "pipeline": [
        {"datasets"},
        {"runs"},
        {"search"},
        {"calibration"},
        {"scoring", "studies"},
    ],
}
MAX_LINES, MAX_FILES, MAX_PIPELINE_IMPORTS = 300, 12, 10


def heights(layers: list[set[str]]) -> dict[str, int]:
    return {name: height for height, layer in enumerate(layers) for name in layer}


HEIGHT = heights(LAYERS)
HEIGHT_INSIDE = {room: heights(layers) for room, layers in INSIDE.items()}

# library -> where it may be imported, relative to the package
CONFINED = {
    "hydra": {"assistant/analyse.py", "configuration", "pipeline", "commands"},
    "omegaconf": {
        "configuration",
        "pipeline",
        "commands",
        "benchmark/benchmark.py",
        "api",
        "assistant",
        "service",
    },
    "wandb": {"training/trackers.py"},
    "nflows": {"density"},
    "matplotlib": {"reporting", "benchmark/report.py"},
    "h5py": {"io.py", "events"},
    "pythia8mc": {"events"},
    "sklearn": {"classifiers", "methods", "sklearn.py"},
    "threadpoolctl": {"classifiers", "parallel.py"},
    "fastjet": {"jets", "benchmark/raw_events.py"},
    "iminuit": {"statistics"},
    "pyBumpHunter": {"statistics"},
    "jinja2": {"reporting"},
    "optuna": {"pipeline/studies/tuning/tune.py"},
    "dask": {"pipeline/datasets/workers.py"},
    "distributed": {"pipeline/datasets/workers.py"},
    "fastapi": {"service"},
    "starlette": {"service"},
    "uvicorn": {"assistant/server.py", "service"},
    "mcp": {"assistant/server.py"},
    "anyio": {"assistant/server.py", "service/app.py"},
    "orjson": {"service"},
    "prometheus_client": {"service"},
    "dask_jobqueue": {"pipeline/datasets/workers.py"},
}
WITHOUT_TORCH = ("evaluation", "statistics", "events", "reporting")


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
    room, *rest = path.relative_to(PACKAGE).with_suffix("").parts
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "anode" or len(parts) < 2 or parts[1] not in HEIGHT:
            continue
        if parts[1] != room:
            assert HEIGHT[parts[1]] < HEIGHT[room], f"{path} must not import {name}"
        elif room in HEIGHT_INSIDE and len(parts) > 2 and parts[2] != rest[0]:
            inside = HEIGHT_INSIDE[room]
            assert inside[parts[2]] < inside[rest[0]], f"{path} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path):
    relative = path.relative_to(PACKAGE)
    for name in {name.split(".")[0] for name in imports(path)}:
        allowed = CONFINED.get(name, {relative.parts[0]})
        places = {relative.parts[0], str(relative)}
        assert places & allowed, f"{relative}: {name}"
        if relative.parts[0] in WITHOUT_TORCH:
            assert name != "torch", f"{relative} must do without torch"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_scipy_stats_is_loaded_when_it_is_used(path):
    """``import scipy``, then ``scipy.stats.norm``: a second less at the start of every process."""
    assert not any(name.startswith("scipy.stats") for name in imports(path))


def test_every_room_of_a_layered_room_has_a_height():
    for room, inside in HEIGHT_INSIDE.items():
        there = {p.name for p in (PACKAGE / room).iterdir() if p.is_dir() and p.name[0] != "_"}
        assert there - {"templates"} == set(inside)


def test_modules_are_short():
    long = {p: n for p in MODULES if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert not long


def test_rooms_are_small():
    rooms = {p.parent for p in MODULES}
    full = {r: n for r in rooms if (n := sum(p.parent == r for p in MODULES)) > MAX_FILES}
    assert not full


def test_rooms_of_the_pipeline_hang_on_few_modules_of_each_other():
    pairs = {
        (path.relative_to(PACKAGE).parts[1], parts[2])
        for path in MODULES
        if path.relative_to(PACKAGE).parts[0] == "pipeline"
        for name in imports(path)
        if (parts := name.split("."))[:2] == ["anode", "pipeline"]
        and len(parts) > 2
        and parts[2] != path.relative_to(PACKAGE).parts[1]
    }
    assert len(pairs) <= MAX_PIPELINE_IMPORTS, sorted(pairs)
