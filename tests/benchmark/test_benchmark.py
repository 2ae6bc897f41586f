"""The benchmark compares equals, reads its clock right, and writes what it promises."""

import json
import re
import time

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from anode.benchmark import benchmark, likelihood
from anode.benchmark.contenders import Shape, all_of, batch, from_file
from anode.benchmark.memory import score_from_file
from anode.benchmark.report import benchmark_table
from anode.benchmark.result import BenchmarkResult, RunCost
from anode.benchmark.scaling import cost_of_run
from anode.benchmark.timing import interleaved, maf_flop
from anode.density.matmul import product, product_relu
from anode.errors import ConfigError
from anode.seeding import torch_stream
from helpers.settings import REPOSITORY

SMALL = Shape(n_features=3, n_context=1, n_transforms=2, hidden=8, batch=32)
OTHER = """
import torch

class Gaussian(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(3))

    def log_prob(self, features, context):
        return -0.5 * (features - self.mean).square().sum(1)

def build(n_features, n_context, n_transforms, hidden):
    return Gaussian()
"""


COST = RunCost(3000, {"train": 3.0, "score": 1.5}, seconds=5.0, peak_mb=600.0, idle_mb=400.0)


def composed(*overrides: str) -> benchmark.BenchmarkConfig:
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        return benchmark.parse_benchmark(compose("benchmark", list(overrides)))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("sizes", [(8, 5, 3), (128, 129, 256), (96, 128, 513)])
def test_products_are_products_whoever_computes_them(sizes, relu):
    rows, inner, columns = sizes
    a = torch.randn(rows, inner, generator=torch_stream(1))
    b = torch.randn(inner, columns, generator=torch_stream(2))
    multiply = product_relu if relu else product
    exact = a.double() @ b.double()
    exact = exact.relu() if relu else exact
    # Rounding of float32 grows like the root of the number of terms: 1e-5 of values of order 10.
    for second in (b.t(), b.t().contiguous()):
        torch.testing.assert_close(multiply(a, second).double(), exact, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(multiply(a.double(), b.double().t()), exact)


def test_contenders_of_one_name_compute_the_same_flow():
    made = all_of(SMALL, {}, "cpu")
    assert {"nflows", "anode maf", "anode made_mog"} <= made.keys()
    x, context = batch(SMALL, 40, "cpu")
    with torch.no_grad():
        expected = made["nflows"].log_prob(x, context)
        torch.testing.assert_close(made["anode maf"].log_prob(x, context), expected)


def test_a_turn_is_timed_per_call_and_contenders_alternate():
    calls = []

    def work(name: str, seconds: float):
        calls.append(name)
        time.sleep(seconds)

    contenders = {"slow": lambda: work("slow", 0.02), "quick": lambda: work("quick", 0.002)}
    times = interleaved(contenders, rounds=3, seconds=0.0)
    # Sleeping takes at least as long as asked, whatever the machine: an order, not a speed.
    assert times["slow"] >= 0.02
    assert times["quick"] >= 0.002
    assert calls[-6:] == ["slow", "quick"] * 3


def test_operations_are_those_of_the_matrix_products():
    weights = 15 * (128 * 5 + 128 * 2 + 128 * 128 + 8 * 128)
    assert maf_flop(4, 1, 15, 128) == 3 * 2 * weights


def test_the_command_writes_table_numbers_and_figure(tmp_path, capsys, monkeypatch):
    other = tmp_path / "gaussian.py"
    other.write_text(OTHER)
    shape = "[[3,1,2,8,32]]"
    config = composed(
        f"output={tmp_path / 'out'}",
        f"+others.mine={other}",
        f"training={shape}",
        f"scoring={shape}",
        f"sampling={shape}",
        "at_once=[[2,8,2,32]]",
        "one_call=100",
        "rounds=2",
        "seconds=0.0",
        "memory=[0,0]",
        "scaling=[3000]",
        "likelihood=0",
    )
    asked = []
    monkeypatch.setattr(benchmark, "cost_of_run", lambda n: asked.append(n) or COST)
    benchmark.benchmark(config)
    content = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert BenchmarkResult.from_json(content, "benchmark.json").to_json() == content
    entry = content["training"][0]
    assert {"nflows", "mine", "anode maf"} <= entry["seconds"].keys()
    assert set(entry["maf_over_floor"]) == {"torch.mm", "fastest"}
    assert "mine" not in content["sampling"][0]["seconds"]
    assert "nflows, one call" in content["scoring"][0]["seconds"]
    assert content["machine"]["threads"] == 1
    assert asked == [3000]
    assert content["scaling"][0]["cpu_seconds"] == {"train": 3.0, "score": 1.5}
    assert set(content["at_once"][0]["seconds"]) == {"one after another", "at once"}
    printed = capsys.readouterr().out
    assert "nflows / it" in printed
    assert re.search(
        r"ANODE of 3000 toy events +anode made_mog +4 CPU s, 1500 us an event", printed
    )
    assert str(tmp_path / "out") in printed
    for kind in ("png", "pdf"):
        assert (tmp_path / "out" / f"benchmark.{kind}").stat().st_size > 1000


def test_the_committed_benchmark_is_read_and_makes_its_table_again():
    folder = REPOSITORY / "results" / "reference" / "benchmark"
    text = (folder / "benchmark.json").read_text()
    result = BenchmarkResult.from_json(json.loads(text), "benchmark.json")
    assert json.dumps(result.to_json(), indent=2) + "\n" == text
    assert benchmark_table(result, markdown=True) + "\n" == (folder / "benchmark.md").read_text()
    assert result.memory is not None
    assert result.memory.n_events == 1_000_000


def test_without_a_gpu_the_gpu_benchmark_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    benchmark.benchmark(composed(f"output={tmp_path / 'out'}", "device=cuda"))
    assert not (tmp_path / "out").exists()


def test_a_bad_file_or_shape_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is none"):
        from_file(tmp_path / "absent.py", SMALL)
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ConfigError, match="must define build"):
        from_file(tmp_path / "empty.py", SMALL)
    with pytest.raises(ConfigError, match="a shape is n_features"):
        composed("training=[[3,1]]")
    with pytest.raises(ConfigError, match="at_once: give number"):
        composed("at_once=[[3,1]]")


def test_recipes_reach_the_target_and_say_what_was_extrapolated():
    events = benchmark.signal_region_background()[:3000]
    published = benchmark.recipe("experiment=anode_paper", "trainer.epochs=2", "ensemble.size=2")
    quick = {"maf": benchmark.recipe("density=maf"), "made_mog": benchmark.recipe()}
    found = likelihood.compare(events, published, quick, device="cpu")
    assert found["nflows, published recipe"].extrapolated
    target = found["anode maf, published recipe"].loss
    assert found["anode made_mog, one-cycle"].loss <= target
    assert ("anode maf, one-cycle" in found) == ("nflows maf, one-cycle" in found)
    short = benchmark.recipe("trainer.epochs=1", "ensemble.size=1")
    assert 0 < likelihood.share_outside_steps(events, short) < 1


def test_scoring_memory_is_that_of_the_process_alone():
    small = benchmark.recipe("density=maf", "density.n_transforms=2", "density.hidden_features=8")
    burden = np.ones(150_000_000)  # 1.2 GB here, which the process that scores does not have
    scored = score_from_file(small.density, n_events=500, n_flows=2)
    assert 50 < scored.peak_mb < 1000 < burden.nbytes / 1e6
    assert scored.seconds > 0


def test_the_cost_of_a_run_is_that_of_its_stages():
    quick = ("trainer.epochs=1", "ensemble.size=1", "split.folds=2", "density.hidden_features=8")
    found = cost_of_run(6000, (*quick, "evaluation.n_bootstrap=5", "evaluation.n_closure=500"))
    assert found.n_events == 6000
    assert set(found.cpu_seconds) == {"train", "score", "evaluate"}
    assert 0 < found.cpu_seconds["train"] < found.seconds * 1.5
    assert 50 < found.idle_mb <= found.peak_mb < 2000
