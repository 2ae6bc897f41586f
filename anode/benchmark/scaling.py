"""Cost of a whole run against the number of its events."""

import contextlib
import io
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from anode.benchmark.memory import peak_mb
from anode.benchmark.result import RunCost
from anode.parallel import prepare_process
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run
from anode.pipeline.runs.run_directory import RunDirectory

SIGNAL_SHARE = 0.003
"""Signal of the toy, as a share of its background; the rest of what is made serves the test."""

SETTINGS = (
    "data=toy",
    "preprocessing.logit=false",  # features of the toy are Gaussian
    "density=made_mog",
    "trainer=search",
    "n_jobs=1",
    "threads=1",
    "store=null",
    "tracker=none",
    "figures=false",
)
"""ANODE with the settings of a search."""


def cost_of_run(n_events: int, overrides: Sequence[str] = ()) -> RunCost:
    """Time and memory of ``anode run`` with so many events of the toy, in a process of its own.

    Args:
        n_events: number of background events.
        overrides: what is changed of the run.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_run, n_events, tuple(overrides)).result()


def _run(n_events: int, overrides: tuple[str, ...]) -> RunCost:
    prepare_process(1)
    n_signal = round(SIGNAL_SHARE * n_events)
    own = (
        *SETTINGS,
        f"data.n_background={n_events}",
        f"data.n_signal={2 * n_signal}",
        f"injection.n_signal={n_signal}",
    )
    before = peak_mb()
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            stages.run(compose_run([*own, *overrides], run_dir))
        seconds = time.perf_counter() - started
        by_stage = dict(RunDirectory(run_dir).read_manifest().cpu_seconds)
    return RunCost(n_events, by_stage, seconds, peak_mb=peak_mb(), idle_mb=before)
