"""Runs of a study, and how the missing ones are made: a process takes a seed."""

import contextlib
import dataclasses
import io
import logging
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from hydra.errors import HydraException

from anode import progress
from anode.errors import AnodeError, ConfigError, RunDirectoryError
from anode.parallel import stream_jobs
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import compose_run, load_run
from anode.pipeline.runs.other_ensemble import OtherEnsemble, score_ensemble
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.studies.settings import Study, ensemble_of

log = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two looks at which runs are finished


class StudyRun(NamedTuple):
    """One run of a study.

    Attributes:
        point, variant, seed: place in the study; an ensemble is a variant of its own.
        run_dir: folder of the run.
        overrides: overrides of ``configs/run.yaml``.
        source: run whose fits are averaged otherwise; None for a run with fits of its own.
        ensemble: mode and size of that average.
    """

    point: str
    variant: str
    seed: int
    run_dir: Path
    overrides: tuple[str, ...]
    source: Path | None = None
    ensemble: tuple[str, int] | None = None

    @property
    def finished(self) -> bool:
        return RunDirectory(self.run_dir).metrics.is_file()


class Failure(NamedTuple):
    """A run that could not be made: where, why, and the traceback if it is no user's error."""

    run_dir: Path
    reason: str
    details: str


def study_runs(study: Study) -> list[StudyRun]:
    """The runs of a study, seed by seed; of one seed, point by point, in the order of variants,
    ensembles last."""
    cells = []
    for seed in study.seeds:
        for point, changes in (study.points or {"": []}).items():
            home = Path(study.runs) / point
            for variant, overrides in study.variants.items():
                own = (*study.common, *changes, *overrides, f"seed={seed}", "n_jobs=1")
                everything = ("figures=false", *own)  # drawing is a third of a short run
                folder = home / variant / f"seed={seed}"
                cells.append(StudyRun(point, variant, seed, folder, everything))
            for text in study.ensembles:
                variant, mode, size = ensemble_of(text)
                name = f"{variant}-{mode}-{size}"
                source, folder = (home / group / f"seed={seed}" for group in (variant, name))
                cells.append(StudyRun(point, name, seed, folder, (), source, (mode, size)))
    return cells


def check(study: Study) -> None:
    """Compose one run of every variant at every point, before any work begins.

    Raises:
        ConfigError: an override is wrong; the message names point and variant.
    """
    for cell in study_runs(study):
        if cell.seed != study.seeds[0] or cell.source is not None:
            continue
        try:
            compose_run(cell.overrides, cell.run_dir)
        except (HydraException, AnodeError) as error:
            place = " ".join(name for name in (cell.point, cell.variant) if name)
            raise ConfigError(f"study in {study.runs}, {place}: {error}") from None


def make(study: Study, *, n_jobs: int) -> list[Failure]:
    """Make every run that is missing, finish what was interrupted, and keep the rest.

    A process takes one seed and makes its runs one after the other, so that what they share is
    fitted once. A run that fails keeps no other from being made.

    Returns:
        What failed, in the order of the study.
    """
    cells = study_runs(study)
    jobs = [[cell for cell in cells if cell.seed == seed] for seed in study.seeds]
    failures: list[Failure] = []
    with _progress(cells):
        try:
            for found in stream_jobs(_make_seed, jobs, n_jobs=n_jobs, threads=1):
                for failure in found:
                    log.error("%s failed: %s", failure.run_dir, failure.reason)
                    if failure.details:
                        log.error("%s", failure.details)
                failures += found
        except BrokenProcessPool:
            known = {failure.run_dir for failure in failures}
            missing = [c for c in cells if not c.finished and c.run_dir not in known]
            reason = "a process was killed, perhaps for its memory; try a smaller n_jobs"
            failures += [Failure(cell.run_dir, reason, "") for cell in missing]
    return failures


def raise_failures(failures: Sequence[Failure]) -> None:
    """Say which runs are missing, once everything else is done.

    Raises:
        RunDirectoryError: a run failed.
    """
    if failures:
        listed = "".join(f"\n  {failure.run_dir}: {failure.reason}" for failure in failures)
        raise RunDirectoryError(
            f"{len(failures)} run(s) failed and are missing in the comparison; mend the cause and "
            f"give the same command again:{listed}"
        )


def _make_seed(cells: list[StudyRun]) -> list[Failure]:
    """Make the runs of one seed, without their tables and bars; warnings are passed on."""
    failures = []
    for cell in cells:
        warnings = io.StringIO()
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(warnings),  # no terminal, so that no bar is drawn
            ):
                _make(cell)
        except (AnodeError, HydraException) as error:
            failures.append(Failure(cell.run_dir, str(error), ""))
        except Exception as error:  # a bug in one method is no reason to lose the others
            reason = f"{type(error).__name__}: {error}"
            failures.append(Failure(cell.run_dir, reason, traceback.format_exc()))
        if text := warnings.getvalue():
            print(f"{cell.run_dir}: {text}", end="", file=sys.stderr)
    return failures


def _make(cell: StudyRun) -> None:
    if cell.source is None or cell.ensemble is None:
        stages.run(compose_run(cell.overrides, cell.run_dir))
    elif not cell.finished:
        directory = RunDirectory(cell.source)
        own = load_run(directory.config)
        config = dataclasses.replace(
            own,
            run_dir=str(cell.source),
            n_jobs=1,
            threads=1,
            ensemble=OtherEnsemble(*cell.ensemble).of(own.ensemble),
            figures=False,
        )
        score_ensemble(config, directory, cell.run_dir)


@contextlib.contextmanager
def _progress(cells: Sequence[StudyRun]) -> Iterator[None]:
    """A bar over runs, and a line for each as it is finished, by whatever process."""
    waiting = [cell for cell in cells if not cell.finished]
    ended = threading.Event()
    with progress.task("runs", total=len(waiting), unit="runs") as runs:

        def watch() -> None:
            last = False
            while not last:
                last = ended.wait(PAUSE)
                for cell in [cell for cell in waiting if cell.finished]:
                    waiting.remove(cell)
                    runs.update()
                    log.info("%s: %s", cell.run_dir, _outcome(cell))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _outcome(cell: StudyRun) -> str:
    metrics = RunDirectory(cell.run_dir).read_metrics()
    peak, seconds = metrics.max_sic, metrics.seconds
    parts = ["finished" if peak is None else f"max SIC {peak:.2f}"]
    return ", ".join(parts if seconds is None else [*parts, f"{seconds:.0f} s"])
