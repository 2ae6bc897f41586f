"""Benchmark: our flows side by side with others, in one run on this machine."""

import dataclasses
import logging
import platform
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig

from anode import io
from anode.benchmark import likelihood
from anode.benchmark.contenders import (
    Mixtures,
    Shape,
    all_of,
    sampling,
    scoring,
    step_of_all,
    training_step,
)
from anode.benchmark.likelihood import FitRecipe, Reached
from anode.benchmark.memory import score_from_file
from anode.benchmark.report import benchmark_figure, benchmark_table
from anode.benchmark.result import (
    BenchmarkResult,
    Machine,
    RawSpeed,
    RunCost,
    ScoringMemory,
    TimedFlows,
    TimedMixtures,
)
from anode.benchmark.scaling import cost_of_run
from anode.benchmark.timing import Work, interleaved, maf_flop, product_rate
from anode.configuration.builder import build, resolve
from anode.errors import ConfigError
from anode.events.readers.lhco_features import read_bundled
from anode.events.table import EventTable
from anode.parallel import prepare_process
from anode.pipeline.runs.config import compose_run
from anode.provenance import provenance
from anode.regions.windows import Regions
from anode.reporting.common.style import save_figure

log = logging.getLogger(__name__)

CHUNK = 8192
RAW_EVENTS = 500
FEATURES = ("mj1", "delta_mj", "tau21_1", "tau21_2")


@dataclass(frozen=True)
class BenchmarkConfig:
    """Keys of ``configs/benchmark.yaml``."""

    output: str
    device: str
    threads: int
    rounds: int
    seconds: float
    others: dict[str, str]
    training: list[list[int]]
    at_once: list[list[int]]
    scoring: list[list[int]]
    one_call: int
    sampling: list[list[int]]
    memory: list[int]
    scaling: list[int]
    likelihood: int
    raw_file: str | None


def parse_benchmark(raw: DictConfig) -> BenchmarkConfig:
    """Check Hydra's configuration of a benchmark.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    config = build(BenchmarkConfig, resolve(raw))
    for name in ("training", "scoring", "sampling"):
        for shape in getattr(config, name):
            if len(shape) != len(Shape._fields):
                raise ConfigError(f"{name}: a shape is {', '.join(Shape._fields)}, got {shape}")
    for mixtures in config.at_once:
        if len(mixtures) != len(Mixtures._fields):
            raise ConfigError(f"at_once: give {', '.join(Mixtures._fields)}, got {mixtures}")
    return config


def benchmark(config: BenchmarkConfig) -> None:
    """Time everything, print the table, and write ``benchmark.json``, ``.md`` and the figure."""
    if config.device == "cuda" and not torch.cuda.is_available():
        log.warning("device=cuda: torch finds no GPU here, nothing was timed")
        return
    prepare_process(config.threads)
    result = BenchmarkResult(
        machine=machine(config),
        made_by=provenance(),
        training=tuple(_training(config, Shape(*s)) for s in config.training),
        at_once=tuple(_at_once(config, Mixtures(*m)) for m in config.at_once),
        scoring=tuple(_scoring(config, Shape(*s)) for s in config.scoring),
        sampling=tuple(_sampling(config, Shape(*s)) for s in config.sampling),
    )
    if config.likelihood:
        reached, outside = _likelihood(config)
        result = dataclasses.replace(result, likelihood=reached, outside_steps=outside)
    if config.memory[0] and config.device == "cpu":
        result = dataclasses.replace(result, memory=_memory(config))
    if config.device == "cpu":
        result = dataclasses.replace(result, scaling=tuple(map(_scaling, config.scaling)))
    if config.raw_file is not None:
        result = dataclasses.replace(result, raw_events=_raw_events(config, config.raw_file))
    output = Path(config.output)
    io.write_json(output / "benchmark.json", result.to_json())
    io.write_text(output / "benchmark.md", benchmark_table(result, markdown=True) + "\n")
    save_figure(benchmark_figure(result), output / "benchmark")
    print(benchmark_table(result))
    print(f"figure and numbers: {output}")


def recipe(*overrides: str) -> FitRecipe:
    """Density and trainer that ``anode run`` would use."""
    run = compose_run(overrides, "unused")
    return FitRecipe(run.density, run.trainer)


def machine(config: BenchmarkConfig) -> Machine:
    """The machine that the times depend on."""
    return Machine(
        device=torch.cuda.get_device_name() if config.device == "cuda" else _cpu_name(),
        vector_instructions=torch.backends.cpu.get_cpu_capability(),
        threads=config.threads,
        system=platform.system(),
    )


def signal_region_background() -> EventTable:
    """Bundled background in the default signal region, without labels."""
    events = read_bundled(None, FEATURES)
    regions = Regions.from_bounds([3300.0, 3700.0], [[None, 3300.0], [3700.0, None]])
    chosen = regions.in_signal_region(events.mass)
    if events.label is not None:
        chosen &= events.label == 0
    return events[chosen].without_label()


def _training(config: BenchmarkConfig, shape: Shape) -> TimedFlows:
    log.info("training step, %s", shape.text)
    contenders = all_of(shape, config.others, config.device)
    work = {}
    for name, contender in contenders.items():
        adam = {"nflows": "default", "zuko": "fused"}.get(name, "anode")
        work[name] = training_step(contender, shape, adam=adam, device=config.device)
    nflows = contenders["nflows"]
    work["nflows, fused Adam"] = training_step(nflows, shape, adam="fused", device=config.device)
    timed = _timed(config, shape, work, per=1)
    if config.device != "cpu":
        return timed
    flop = maf_flop(*shape[:4]) * shape.batch
    rates = product_rate(shape.hidden, shape.batch)
    over_floor = {name: timed.seconds["anode maf"] * rate / flop for name, rate in rates.items()}
    return dataclasses.replace(timed, product_flop_per_s=rates, maf_over_floor=over_floor)


def _at_once(config: BenchmarkConfig, mixtures: Mixtures) -> TimedMixtures:
    log.info("one step of each of %s", mixtures.text)
    work = {
        "one after another": step_of_all(mixtures, at_once=1, device=config.device),
        "at once": step_of_all(mixtures, at_once=mixtures.number, device=config.device),
    }
    seconds = interleaved(work, rounds=config.rounds, seconds=config.seconds)
    return TimedMixtures(mixtures, mixtures.text, seconds)


def _scoring(config: BenchmarkConfig, shape: Shape) -> TimedFlows:
    log.info("scoring, %s", shape.text)
    contenders = all_of(shape, config.others, config.device)
    work = {
        name: scoring(c, shape, shape.batch, CHUNK, config.device)
        for name, c in contenders.items()
    }
    timed = _timed(config, shape, work, per=shape.batch)
    if not config.one_call:
        return timed
    rows = config.one_call
    whole = scoring(contenders["nflows"], shape, rows, rows, config.device)
    seconds = interleaved({"": whole}, rounds=3, seconds=0.0)[""] / rows
    return dataclasses.replace(timed, seconds={**timed.seconds, "nflows, one call": seconds})


def _sampling(config: BenchmarkConfig, shape: Shape) -> TimedFlows:
    log.info("sampling, %s", shape.text)
    contenders = all_of(shape, config.others, config.device)
    work = {
        name: drawn
        for name, c in contenders.items()
        if (drawn := sampling(c, shape, shape.batch, config.device)) is not None
    }
    return _timed(config, shape, work, per=shape.batch)


def _timed(
    config: BenchmarkConfig, shape: Shape, work: dict[str, Work], *, per: int
) -> TimedFlows:
    times = interleaved(work, rounds=config.rounds, seconds=config.seconds)
    return TimedFlows(shape, shape.text, {name: value / per for name, value in times.items()})


def _likelihood(
    config: BenchmarkConfig,
) -> tuple[dict[str, Reached], dict[str, float] | None]:
    """Time to the likelihood of the published recipe, and outside of training steps."""
    log.info("time to the published recipe's likelihood")
    events = signal_region_background()
    published = recipe("experiment=anode_paper", f"trainer.epochs={config.likelihood}")
    quick = {"maf": recipe("density=maf"), "made_mog": recipe("density=made_mog")}
    reached = likelihood.compare(events, published, quick, device=config.device)
    if config.device != "cpu":
        return reached, None
    outside = {
        f"anode {name}": likelihood.share_outside_steps(events, q) for name, q in quick.items()
    }
    return reached, outside


def _memory(config: BenchmarkConfig) -> ScoringMemory:
    n_events, n_flows = config.memory
    log.info("memory of scoring %d events with %d flows", n_events, n_flows)
    flow = recipe("density=maf_paper").density
    scored = score_from_file(flow, n_events=n_events, n_flows=n_flows)
    return ScoringMemory(n_events, n_flows, scored.peak_mb, scored.seconds)


def _scaling(n_events: int) -> RunCost:
    log.info("a run of %d events", n_events)
    return cost_of_run(n_events)


def _raw_events(config: BenchmarkConfig, path: str) -> RawSpeed:
    # Here, since it alone needs the extra.
    from anode.benchmark.raw_events import compare_raw

    log.info("features of raw events")
    return compare_raw(path, n_events=RAW_EVENTS, rounds=config.rounds)


def _cpu_name() -> str:
    """The processor's own name, where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
