"""Commands killed at random moments and given again, until they are done; then what they left.

As a script, with as many kills as wanted: ``python tests/helpers/kills.py search 20 [SEED]``.
"""

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from anode import io
from anode.training import checkpoints
from helpers.chain import QUICK
from helpers.raw_files import raw_rows, write_frame
from helpers.settings import REPOSITORY

KILLS = ("the command", "all its processes", "one of its processes")
ENDED_BY_A_KILL = (-signal.SIGKILL, 2)  # 2: a process of it was killed, and it says so
COSTS = ("seconds", "cpu_seconds", "peak_memory_mb", "made_by", "command", "seconds_in_blocks")
"""Keys that say how long it took, not what was found."""
FREE = ("cost.json", "manifest.json")  # of costs; the store is not asked twice for a fit
OF_THE_FIRST = ("state.pt", "history.jsonl")
"""Files of a p_bg that windows share: left by the one that fits it, which a kill may change."""

FLOW = ["density.n_transforms=2", "density.hidden_features=16", "trainer.epochs=8"]
RUN = [*(text for text in QUICK if not text.startswith(("n_jobs", "store", "trainer"))), *FLOW]
SEARCH = [
    "data=toy", "data.n_background=6000", "data.n_signal=600", "injection.n_signal=null",
    "preprocessing.logit=false", "scan.start=3000", "scan.stop=4200", "scan.step=200",
    "scan.min_events=100", "spectrum.low=3000", "efficiencies=[0.1,0.02]", "split.folds=2",
    "template.n_events=5000", "n_toys=100", "density=maf", *FLOW, "trainer.epochs=4",
    "ensemble.size=1",
]  # fmt: skip
COMMANDS = {
    "run": ["run", *RUN],
    "cathode": ["run", *RUN, "method=cathode", "classifier.members=6", "classifier.max_iter=30"],
    "r_anode": [
        "run", *RUN, "method=r_anode", "method.fits=2", "method.density.hidden_features=16",
        "method.density.n_components=3", "method.trainer.epochs=10",
    ],
    "search": ["search", *SEARCH],
    "features": ["features", "data.block_rows=100"],
}  # fmt: skip


def _say(text: str) -> None:
    print(text, flush=True)


@dataclasses.dataclass
class Outcome:
    """What became of a command that was killed again and again.

    Attributes:
        seconds: duration of an undisturbed command [s].
        n_kills: number of kills so far.
        finished: number of times that it came to its end, and all was compared.
        faults: what should not have been.
        endings: (what was killed, exit status) -> number.
    """

    seconds: float = 0.0
    n_kills: int = 0
    finished: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)
    endings: Counter[tuple[str, int]] = dataclasses.field(default_factory=Counter)

    def __str__(self) -> str:
        endings = ", ".join(f"{what} {rc}: {n}" for (what, rc), n in sorted(self.endings.items()))
        return (
            f"{self.n_kills} kills, {self.finished} ends, {self.seconds:.0f} s undisturbed "
            f"({endings}); {len(self.faults)} faults" + "".join(f"\n  {f}" for f in self.faults)
        )


def killed_and_given_again(
    name: str, n_kills: int, seed: int, root: Path, report: Callable[[str], None] = _say
) -> Outcome:
    """Kill a command ``n_kills`` times; whenever it is done, compare and begin in a new folder."""
    rng, outcome = random.Random(f"{name} {seed}"), Outcome()
    root.mkdir(parents=True, exist_ok=True)
    raw = write_frame(root / "raw.h5", raw_rows(1500))
    started = time.monotonic()
    undisturbed = _arguments(name, root / "undisturbed", raw)
    process = _start(undisturbed)
    said = process.communicate()[1]
    outcome.seconds = time.monotonic() - started
    assert process.returncode == 0, said
    wanted = content(root / "undisturbed")
    while outcome.n_kills < n_kills:
        folder = root / f"killed{outcome.finished}"
        arguments = _arguments(name, folder, raw)
        while not _attempt(arguments, rng, outcome, kill=outcome.n_kills < n_kills):
            pass
        outcome.finished += 1
        outcome.faults += differences(wanted, content(folder))
        shutil.rmtree(folder)
        report(f"{name}: {outcome}")
    return outcome


def _arguments(name: str, folder: Path, raw: Path) -> list[str]:
    if name == "features":
        return [
            *COMMANDS[name],
            f"data.path={raw}",
            f"output={folder / 'features.h5'}",
            "n_jobs=2",
        ]
    return [*COMMANDS[name], f"run_dir={folder / 'run'}", f"store={folder / 'store'}", "n_jobs=2"]


def _attempt(arguments: list[str], rng: random.Random, outcome: Outcome, *, kill: bool) -> bool:
    """Give the command, perhaps kill it; whether it came to its end."""
    process = _start(arguments)
    what = ""
    if kill:
        try:
            process.wait(rng.uniform(0.1, 0.9) * outcome.seconds)
        except subprocess.TimeoutExpired:
            what = _kill(process, rng)
            outcome.n_kills += 1
    said = process.communicate()[1]
    status = process.returncode
    if what:
        outcome.endings[what, status] += 1
    if status == 0:
        _wait_for_the_rest(process, outcome)
        return True
    if not what or status not in ENDED_BY_A_KILL or "Traceback" in said:
        outcome.faults.append(f"status {status} after killing {what or 'nothing'}: {said[-2000:]}")
        if not what:
            raise RuntimeError(str(outcome))
    return False


def _start(arguments: list[str]) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "tests/helpers/often_saved.py"), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def _kill(process: "subprocess.Popen[str]", rng: random.Random) -> str:
    what = rng.choice(KILLS)
    if what == KILLS[1]:
        os.killpg(process.pid, signal.SIGKILL)
        return what
    others = [pid for pid in _session(process.pid) if pid != process.pid]
    if what == KILLS[2] and others:
        os.kill(rng.choice(others), signal.SIGKILL)
        return what
    process.kill()
    return KILLS[0]


def _session(leader: int) -> list[int]:
    """Processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def _wait_for_the_rest(process: "subprocess.Popen[str]", outcome: Outcome) -> None:
    until = time.monotonic() + 30
    while left := _session(process.pid):
        if time.monotonic() > until:
            outcome.faults.append(f"processes {left} outlive their command")
            os.killpg(process.pid, signal.SIGKILL)
            return
        time.sleep(0.1)


def content(root: Path) -> dict[str, Any]:
    """Every file below a folder, by its path, without costs and times."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file() and path.name not in FREE and not name.startswith("store/"):
            if path.suffix == ".lock" or path.name == ".lock":
                continue
            if name.startswith("run/windows/") and _is_shared(path):
                continue
            found[name] = _content(path, root)
        elif ".partial" in name:
            found[name] = "a leftover"
    return found


def _is_shared(path: Path) -> bool:
    return path.parent.name == "background" and path.name in OF_THE_FIRST


def _content(path: Path, root: Path) -> Any:
    if ".partial" in path.name:
        return "a leftover"
    if path.suffix == ".json":
        return _plain(io.read_json(path))
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            datasets: dict[str, Any] = {}
            file.visititems(
                lambda name, item: (
                    datasets.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            )
            return datasets
    if path.suffix == ".pt":
        return _plain(checkpoints.load_tensors(path))
    if path.suffix == ".npz":
        with np.load(path) as file:
            return _plain(dict(file))
    if path.suffix in (".html", ".md", ".yaml"):  # they tell times, and where they are
        return None
    return path.read_bytes()


def _plain(value: Any) -> Any:
    """Without costs; tensors as arrays."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items() if key not in COSTS}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.numpy() if hasattr(value, "numpy") else value


def differences(wanted: Any, got: Any, place: str = "") -> list[str]:
    """Where two contents differ, bit for bit."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        names = sorted({*wanted, *got})
        missing = [f"{place}/{name}: only once" for name in {*wanted} ^ {*got}]
        both = [name for name in names if name in wanted and name in got]
        return missing + [
            text
            for name in both
            for text in differences(wanted[name], got[name], f"{place}/{name}")
        ]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        pairs = enumerate(zip(wanted, got, strict=True))
        return [t for i, (a, b) in pairs for t in differences(a, b, f"{place}[{i}]")]
    if isinstance(wanted, np.ndarray) and isinstance(got, np.ndarray):
        same = wanted.dtype == got.dtype and wanted.tobytes() == got.tobytes()
    else:
        same = wanted == got
    return [] if same else [f"{place} differs"]


def main(arguments: list[str]) -> int:
    """Kill the named command, in a temporary folder; 1 if anything went wrong."""
    name, n_kills, *seed = arguments
    with tempfile.TemporaryDirectory() as folder:
        outcome = killed_and_given_again(name, int(n_kills), int(*seed or [1]), Path(folder))
    return int(bool(outcome.faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
