# ruff: noqa: E402  (imports that need the extra stand behind importorskip)
"""Work on Dask: the same results as here, few pieces at a time, and a dead worker costs little."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

distributed = pytest.importorskip("distributed")
pytest.importorskip("fastjet")

from anode import io
from anode.errors import ConfigError, DataError
from anode.pipeline.datasets import workers as cluster
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.datasets.features import make_features
from anode.pipeline.datasets.workers import LOCAL, ClusterConfig, open_workers, start_cluster
from helpers.raw_files import raw_rows, write_frame
from helpers.settings import REPOSITORY


def square(value: int) -> int:
    return value * value


def fail_at_three(value: int) -> int:
    if value == 3:
        raise DataError("three")
    return value


def die_at_three(value: int) -> int:
    if value == 3:
        os._exit(1)
    return value


@pytest.fixture(scope="module")
def two_workers() -> Iterator[cluster.Workers]:
    with open_workers(replace(LOCAL, allowed_deaths=0), n_jobs=2) as workers:
        yield workers


def test_results_are_those_of_this_process(two_workers):
    with open_workers(LOCAL, n_jobs=1) as here:
        alone = dict(here.completed(square, range(30)))
    assert alone == {n: n * n for n in range(30)}
    assert dict(two_workers.completed(square, range(30))) == alone
    assert dict(two_workers.completed(square, [])) == {}


def test_few_jobs_are_taken_ahead_of_the_results(two_workers):
    taken = []

    def jobs() -> Iterator[int]:
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    with contextlib.closing(two_workers.completed(square, jobs())) as completed:
        for done, (_, _) in enumerate(completed, start=1):
            assert len(taken) <= done + 4
            if done == 40:
                break


def test_an_error_in_a_job_reaches_the_caller(two_workers):
    with pytest.raises(DataError, match="three"):
        list(two_workers.completed(fail_at_three, range(9)))
    assert dict(two_workers.completed(square, [5])) == {5: 25}


def test_a_job_that_ends_its_workers_is_given_up(two_workers):
    with pytest.raises(DataError, match=r"^3: its workers died.*memory"):
        list(two_workers.completed(die_at_three, [3]))
    assert dict(two_workers.completed(square, [6])) == {6: 36}


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "_ANSWER", "500ms")
    config = replace(LOCAL, address="tcp://127.0.0.1:1")
    with (
        pytest.raises(ConfigError, match=r"127.0.0.1:1 does not answer"),
        open_workers(config, n_jobs=1),
    ):
        pass
    with pytest.raises(ConfigError, match="allowed_deaths must not be negative"):
        replace(LOCAL, allowed_deaths=-1)


@pytest.mark.parametrize(
    ("kind", "directives", "lines"),
    [
        ("slurm", ["--account=hep"], ["#SBATCH -p short", "#SBATCH --account=hep", "-t 02:00:00"]),
        ("htcondor", ["+JobFlavour = espresso"], ["+JobFlavour = espresso"]),
    ],
)
def test_batch_jobs_are_described_to_their_system(monkeypatch, kind, directives, lines):
    jobqueue = pytest.importorskip("dask_jobqueue")
    asked = []
    monkeypatch.setattr(jobqueue.JobQueueCluster, "scale", lambda self, jobs: asked.append(jobs))
    monkeypatch.setattr(cluster.shutil, "which", lambda command: f"/usr/bin/{command}")
    config = ClusterConfig(kind, None, "3GB", "02:00:00", "short", directives, 3)
    with start_cluster(config, n_jobs=7) as batch:
        script = batch.job_script()
    assert asked[0] == 7
    for line in lines:
        assert line in script
    assert "--nthreads 1" in script


def test_a_machine_that_cannot_submit_jobs_is_named(monkeypatch):
    monkeypatch.setattr(cluster.shutil, "which", lambda command: None)
    with pytest.raises(ConfigError, match="needs the command sbatch, which is not here"):
        start_cluster(replace(LOCAL, kind="slurm"), n_jobs=1)


# scheduler and workers of their own, as on a real cluster


@contextlib.contextmanager
def process(*arguments: str, until: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A dask command, once its log says ``until``; gives what the pattern's group found."""
    running = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY / "tests",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert running.stderr is not None
    try:
        for line in running.stderr:
            if found := re.search(until, line):
                break
        else:
            raise AssertionError("the process has ended")
        drain = threading.Thread(target=running.stderr.read, daemon=True)
        drain.start()
        yield running, found.group(1)
    finally:
        running.kill()
        running.wait()
        drain.join()
        running.stderr.close()


@contextlib.contextmanager
def worker_of(address: str) -> Iterator[subprocess.Popen]:
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "20"]
    with process("worker", address, *options, until=r"(Registered to)") as (running, _):
        yield running


@pytest.mark.slow
def test_a_killed_worker_costs_its_block_alone(tmp_path):
    raw = write_frame(tmp_path / "raw.h5", raw_rows(40))
    data = config_of(raw, tmp_path)
    alone = make_features(data, tmp_path / "alone.h5", layout="anode", cluster=LOCAL, n_jobs=1)
    log = tmp_path / "log"
    log.mkdir()
    started = log / "started"
    scheduler = ("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard")
    with (
        process(*scheduler, until=r"Scheduler at:\s+(tcp://\S+)") as (_, address),
        worker_of(address) as first,
        worker_of(address),
    ):
        killer = threading.Thread(target=kill_once, args=(first, started))
        killer.start()
        cluster_config = replace(LOCAL, address=address)
        with open_workers(cluster_config, n_jobs=1) as workers:
            jobs = [(str(log), number) for number in range(12)]
            results = dict(workers.completed(slow_and_logged, jobs))
        killer.join()
        assert first.wait(10) == -signal.SIGKILL
        assert sorted(results.values()) == list(range(12))
        runs = [path.name.split("_")[0] for path in log.glob("*_*")]
        assert len(runs) <= 12 + 1
        after = make_features(
            data, tmp_path / "after.h5", layout="anode", cluster=cluster_config, n_jobs=1
        )
    assert after.output_sha256 == alone.output_sha256
    assert io.sha256_file(tmp_path / "after.h5") == alone.output_sha256


def test_a_lost_scheduler_is_reported(tmp_path):
    scheduler = ("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard")
    (tmp_path / "log").mkdir()
    jobs = [(str(tmp_path / "log"), number) for number in range(50)]
    with (
        process(*scheduler, until=r"Scheduler at:\s+(tcp://\S+)") as (running, address),
        worker_of(address),
        open_workers(replace(LOCAL, address=address), n_jobs=1) as workers,
    ):
        completed = workers.completed(slow_and_logged, jobs)
        next(completed)
        running.kill()
        with pytest.raises(DataError, match=r"scheduler was lost.*run the same command again"):
            list(completed)


def slow_and_logged(job: tuple[str, int]) -> int:
    """Like a block: saved, and not made again if a worker dies with its report."""
    folder, number = job
    saved = Path(folder, f"saved{number}")
    if not saved.exists():
        Path(folder, f"{number}_{os.getpid()}_{time.time_ns()}").touch()
        Path(folder, "started").touch()
        time.sleep(0.2)
        saved.touch()
    return number


def kill_once(worker: subprocess.Popen, started: Path) -> None:
    while not started.exists():
        time.sleep(0.01)
    time.sleep(0.3)
    worker.kill()


def config_of(raw: Path, folder: Path):
    from hydra import compose, initialize_config_dir

    from anode.pipeline.datasets.features import parse_features

    given = [f"data.path={raw}", "output=unused", "data.block_rows=7"]
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        return parse_features(compose("features", overrides=given)).data


def test_two_processes_give_the_same_bytes(tmp_path):
    raw = write_frame(tmp_path / "raw.h5", raw_rows(40))
    data = replace(config_of(raw, tmp_path), cache=str(tmp_path / "cache"))
    alone = make_features(data, tmp_path / "one.h5", layout="lhco", cluster=LOCAL, n_jobs=1)
    two = make_features(data, tmp_path / "two.h5", layout="lhco", cluster=LOCAL, n_jobs=2)
    assert alone.output_sha256 == two.output_sha256
    assert open_data(data, seed=1, n_jobs=1).n_skipped == 0


def test_a_signal_while_workers_start_is_heeded_when_they_have():
    done = []

    def work() -> None:
        with cluster._interrupted_later():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("all")

    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # dask_jobqueue has its own
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        signal.signal(signal.SIGINT, former)
    assert done == ["all"]


def test_workers_that_cannot_be_started_are_said_in_a_line(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(cluster, "start_cluster", fail)
    with (
        pytest.raises(DataError, match=r"2 processes could not be started \(Nanny failed"),
        open_workers(LOCAL, n_jobs=2),
    ):
        pass
