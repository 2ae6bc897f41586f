"""Tables with and without a bump, quick settings for them, and an analysis without processes."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anode import io
from anode.assistant.analyse import AnalyseConfig
from anode.assistant.toolbox.jobs import FINISHED, Job, Jobs, JobState
from anode.configuration.composition import compose
from anode.pipeline.search.config import parse_search
from helpers.synthetic_search import write_search

PEAK = 3500.0

COLUMNS = "data.columns={mass: m_jj, features: {a: a, b: b}}"
QUICK = [
    "data=table", COLUMNS, "density=made_mog", "scan.start=3100", "scan.stop=3900",
    "scan.step=200", "scan.min_events=200", "trainer.epochs=3", "ensemble.size=2",
    "split.folds=2", "preprocessing.logit=false", "overdispersion.n_experiments=0",
    "n_toys=20000", "template.n_events=20000", "store=null", "tracker=none", "n_jobs=1",
]  # fmt: skip
"""Windows 3100-3500, 3300-3700 and 3500-3900 GeV."""

OF_TABLE: dict[str, Any] = {"data": "table", "mass": "m_jj", "columns": ["a", "b"]}
"""The same as arguments of a tool."""
QUICK_SEARCH: dict[str, Any] = {
    **OF_TABLE, "path": "flat.npz", "run_dir": "search", "start": 3100, "stop": 3900, "step": 200,
    "min_events": 200, "epochs": 3, "folds": 2, "spread_samples": 0, "n_toys": 1000, "n_jobs": 1,
}  # fmt: skip


def write_table(path: Path, *, n_signal: int, seed: int = 1) -> Path:
    """20,000 events of a falling spectrum from 2.5 TeV on, and a narrow bump at 3.5 TeV."""
    rng = np.random.default_rng(seed)
    mass = 2500 + rng.exponential(500, 40_000)
    mass = mass[mass < 6000][:20_000]
    background = rng.normal(size=(len(mass), 2))
    signal = rng.normal(2.2, 0.4, size=(n_signal, 2))
    mass = np.concatenate([mass, rng.normal(PEAK, 40, n_signal)])
    features = np.concatenate([background, signal])
    order = rng.permutation(len(mass))
    np.savez(path, m_jj=mass[order], a=features[order, 0], b=features[order, 1])
    return path


def processes_of(group: int) -> list[str]:
    """Processes of a group that have not ended, as ``ps`` lists them."""
    listed = subprocess.run(
        ["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    rows = [line.split(maxsplit=2) for line in listed]
    return [" ".join(row) for row in rows if row[0] == str(group) and row[1][0] != "Z"]


def analysis(run_dir: Path, path: Path, *words: str) -> AnalyseConfig:
    """An analysis, as the command line makes it."""
    every = [*QUICK, *words, f"data.path={path}", f"run_dir={run_dir}"]
    return AnalyseConfig(tuple(every), parse_search(compose("search", every)))


CARD: dict[str, Any] = {
    "has_labels": True, "n_rows": 1000, "n_faulty": 0, "faults": [],
    "repeated_rows": {"n": 0, "examples": []},
    "regions": [{"region": "all", "n": 1000, "n_background": 900, "n_signal": 100}],
    "derived": [
        {"name": "mjj", "unit": "GeV", "low": 2500.0, "high": 6000.0,
         "quantiles": [2510.0, 2600.0, 2850.0, 3200.0, 5000.0]},
        {"name": "a", "unit": "", "low": -4.0, "high": 4.0, "quantiles": [-2, -1, 0.1, 1, 2]},
    ],
    "features": [{"name": "a", "all_events": {"ks": 0.02}, "background": {"ks": 0.01}}],
}  # fmt: skip
"""What the assistant reads of a ``card.json``."""

PROPOSAL: dict[str, Any] = {
    "fit_low": 2800.0, "fit_high": 8000.0, "start": 3000.0, "stop": 5000.0, "turn_on": 2700.0,
    "excess": None, "covers_excess": True, "fit_p_value": 0.4,
    "windows": [{"usable": True, "reason": ""}, {"usable": False, "reason": "too few"}],
}  # fmt: skip


class InstantJobs(Jobs):
    """Jobs that are done at once: each writes what its command would leave, with made-up numbers.

    Args:
        n_signal: signal events of the searches.
        broken: tool -> why it fails.
    """

    def __init__(
        self, folder: Path, *, n_signal: float = 130.0, broken: dict[str, str] | None = None
    ) -> None:
        super().__init__(folder, folder)
        self.n_signal, self.broken = n_signal, broken or {}
        self.begun: list[str] = []

    def begin(self, tool: str, words: Sequence[str], folder: str) -> Job:
        self.begun.append(tool)
        path = Path(words[-1].partition("=")[2].strip("'"))
        if tool in self.broken:
            pass
        elif tool == "describe_file":
            io.write_json(path / "card.json", CARD)
        elif tool == "propose_regions":
            io.write_json(path / "proposal.json", PROPOSAL)
        elif tool in ("search", "isolation_forest"):
            self._search(path)
        return Job(tool, tool, tuple(words), folder, "now", 0, 0)

    def state(self, job: Job) -> JobState:
        why = self.broken.get(job.tool, "")
        state = "failed" if why else FINISHED
        return JobState(job.id, job.tool, job.folder, job.begun, state, 1.0, why)

    def _search(self, path: Path) -> None:
        content = write_search(path, n_signal=self.n_signal)
        best = content["best"]
        if self.n_signal:  # as rare as 200,000 toys can say
            best |= {"p_global": 1.5e-5, "z_global": 4.1733}
            io.write_json(path / "search.json", content)
        inside = np.array([best["low"] + 1, best["low"] + 2, best["high"] + 1])
        folder = path / "windows" / f"{best['low']:g}_{best['high']:g}"
        columns = {"event_id": np.arange(3), "mass": inside, "score": np.array([1.0, 2.0, 3.0]),
                   "level": np.array([1, 3, 3])}  # fmt: skip
        io.write_hdf5(folder / "selected.h5", columns)
