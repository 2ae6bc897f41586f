"""Progress of nested tasks: fractions, counts of worker processes, and lines in a log."""

import logging
import time

import pytest

from anode import progress
from anode.parallel import run_jobs


def count_three(job: int) -> int:
    for _ in range(3):
        progress.count()
    with progress.task("inside a worker", total=1, unit="steps") as inner:  # counts for itself
        inner.update()
    return job


def test_parts_add_up_by_their_shares():
    with progress.task("run") as run:
        with progress.task("train", share=0.8):
            with progress.task("p_bg", share=0.25):
                pass
            assert run.fraction == pytest.approx(0.2)
            with progress.task("p_data", share=0.75, total=4, unit="batches") as fits:
                fits.update()
                assert run.fraction == pytest.approx(0.2 + 0.6 / 4)
                assert [each.name for each in run.innermost] == ["run", "train", "p_data"]
        assert run.fraction == pytest.approx(0.8)
        with progress.task("score", share=0.2):
            pass
    assert run.fraction == pytest.approx(1)


def test_a_part_counts_within_the_unit_under_way():
    with progress.task("windows", total=2, unit="windows") as windows:
        with progress.task("train", share=0.5):
            pass
        assert windows.fraction == pytest.approx(0.25)
        windows.update()
        assert windows.fraction == pytest.approx(0.5)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_fits_count_wherever_they_run(n_jobs):
    with progress.task("fits", total=12, unit="batches", counts=True) as fits:
        assert run_jobs(count_three, [1, 2, 3, 4], n_jobs=n_jobs, threads=1) == [1, 2, 3, 4]
        assert fits.done == 12
        assert fits.fraction == 1


def test_a_failed_task_leaves_none_under_way():
    with pytest.raises(ValueError, match="boom"), progress.task("outer"), progress.task("inner"):
        raise ValueError("boom")
    with progress.task("next") as after:
        assert after.innermost == [after]


def test_a_log_has_lines_that_say_what_how_much_and_how_long(monkeypatch, caplog):
    monkeypatch.setattr(progress, "LINE_EVERY", 0.02)
    with caplog.at_level(logging.INFO, "anode.progress"), progress.task("run"):
        with progress.task("p_bg", share=0.5):
            pass
        with progress.task("fits", share=0.5, total=10, unit="batches") as fits:
            fits.update(5)
            while not caplog.messages:
                time.sleep(0.01)
    first = caplog.messages[0]
    assert first.startswith("run: 75%, fits: 5 of 10 batches")
    assert "elapsed, about 0:00 left" in first


def test_what_remains_follows_the_pace_of_the_last_minute(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    clock = progress.Clock()
    with progress.task("run", total=100, unit="events") as run:
        assert clock.look(run, run) == (0, None, None)
        now = 10.0
        run.update(20)
        assert clock.look(run, run) == (10, pytest.approx(40), pytest.approx(2))
        now = 60.0
        run.update(10)
        assert clock.look(run, run) == (60, pytest.approx(140), pytest.approx(0.5))
        now = 80.0  # looks of more than a minute ago do not count
        run.update(20)
        assert clock.look(run, run) == (80, pytest.approx(50), pytest.approx(1))


def test_a_quick_task_says_nothing(caplog, capfd):
    with caplog.at_level(logging.INFO, "anode.progress"), progress.task("quick"):
        pass
    assert not caplog.messages
    assert capfd.readouterr() == ("", "")
