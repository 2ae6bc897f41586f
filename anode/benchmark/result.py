"""``benchmark.json``: times of everything that was compared, on which machine."""

from dataclasses import dataclass, field
from typing import Self

from anode.benchmark.contenders import Mixtures, Shape
from anode.benchmark.likelihood import Reached
from anode.provenance import Provenance
from anode.records import LEFT_OUT_IF_NONE, Json, Place, Record


@dataclass(frozen=True)
class Machine(Record):
    """Machine that the times depend on.

    Attributes:
        device: name of the processor or GPU.
        vector_instructions: vector instructions that torch uses.
        threads: threads of each process.
        system: operating system.
    """

    device: str
    vector_instructions: str
    threads: int
    system: str


@dataclass(frozen=True)
class TimedFlows(Record):
    """Times of one piece of work with flows of one shape.

    Attributes:
        shape: the flows.
        text: the shape in words.
        seconds: contender -> time of a step, an event or a sample [s].
        product_flop_per_s: kind of matrix product -> its rate [operations/s]; of training alone.
        maf_over_floor: the same -> time of our MAF over that of its products at this rate.
    """

    shape: Shape
    text: str
    seconds: dict[str, float]
    product_flop_per_s: dict[str, float] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    maf_over_floor: dict[str, float] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)


@dataclass(frozen=True)
class TimedMixtures(Record):
    """Times of one training step of each of several mixtures.

    Attributes:
        mixtures: the mixtures.
        text: the same in words.
        seconds: "one after another" and "at once" -> time of all [s].
    """

    mixtures: Mixtures
    text: str
    seconds: dict[str, float]


@dataclass(frozen=True)
class ScoringMemory(Record):
    """Memory and time of scoring many events by blocks.

    Attributes:
        n_events, n_flows: events, and flows that score each.
        peak_mb: largest resident memory of the process [MB].
        seconds: time [s].
    """

    n_events: int
    n_flows: int
    peak_mb: float
    seconds: float


@dataclass(frozen=True)
class RunCost(Record):
    """Time and memory of a whole run of toy events, in one process with one thread.

    Attributes:
        n_events: background events.
        cpu_seconds: stage -> processor time [s].
        seconds: time of all [s].
        peak_mb: largest resident memory of the process [MB].
        idle_mb: the same before the run, with everything imported.
    """

    n_events: int
    cpu_seconds: dict[str, float]
    seconds: float
    peak_mb: float
    idle_mb: float


@dataclass(frozen=True)
class RawSpeed(Record):
    """Time of features of raw events, one process, median over turns.

    Attributes:
        n_events: events.
        seconds: contender -> time of an event [s].
    """

    n_events: int
    seconds: dict[str, float]


@dataclass(frozen=True)
class BenchmarkResult(Record):
    """The content of ``benchmark.json``; what was not timed is None.

    Attributes:
        machine: machine that the times depend on.
        made_by: command, code and versions; its keys stand beside the others.
        training, scoring, sampling: times by shape.
        at_once: times of mixtures trained in common steps.
        likelihood: fit -> time to the likelihood of the published recipe.
        outside_steps: contender -> fraction of a fit spent outside forward, backward and step.
        memory: memory and time of scoring.
        scaling: cost of a whole run, by number of events.
        raw_events: times of features of raw events.
    """

    machine: Machine
    made_by: Provenance
    training: tuple[TimedFlows, ...]
    at_once: tuple[TimedMixtures, ...] = field(default=(), kw_only=True)
    scoring: tuple[TimedFlows, ...]
    sampling: tuple[TimedFlows, ...]
    likelihood: dict[str, Reached] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    outside_steps: dict[str, float] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    memory: ScoringMemory | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    scaling: tuple[RunCost, ...] = field(default=(), kw_only=True)
    raw_events: RawSpeed | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    @classmethod
    def read(cls, content: object, place: Place) -> Self:
        """As ``from_json``."""
        group = place.group(content)
        return super().read({**group, "made_by": group}, place)

    def to_json(self) -> dict[str, Json]:
        """The content of the file."""
        content: dict[str, Json] = {}
        for name, value in super().to_json().items():
            content |= self.made_by.to_json() if name == "made_by" else {name: value}
        return content
