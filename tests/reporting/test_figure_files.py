"""Figures reach the disk whatever a machine lacks, and take away what killed processes left."""

import os
import socket
import subprocess
import sys

from anode.reporting.common.style import notice_figure, save_figure
from helpers.settings import REPOSITORY


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_half_a_figure_of_a_killed_process_is_removed_with_the_next_one(tmp_path):
    half = tmp_path / f".scan.{socket.gethostname()}-{dead_process()}.partial.png"
    half.write_bytes(b"\x89PNG")
    save_figure(notice_figure("nothing to see"), tmp_path / "limits")
    assert {path.name for path in tmp_path.iterdir()} == {"limits.png", "limits.pdf"}


DRAW = """
import sys
from anode.reporting.common.style import notice_figure, save_figure
save_figure(notice_figure("nothing to see"), sys.argv[1])
"""


def test_figures_are_drawn_without_a_home_or_a_folder_for_fonts(tmp_path):
    nowhere = {"HOME": "/dev/null/home", "MPLCONFIGDIR": "/dev/null/fonts"}
    done = subprocess.run(
        [sys.executable, "-c", DRAW, str(tmp_path / "figure")],
        cwd=REPOSITORY,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"figure.png", "figure.pdf"}
