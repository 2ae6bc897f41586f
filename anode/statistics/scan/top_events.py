"""``top_events.json``: the events of a search that look most like a signal."""

from dataclasses import dataclass

from anode.records import Record


@dataclass(frozen=True)
class TopEvent(Record):
    """One event.

    Attributes:
        event_id: number of the event in the data.
        mass: di-jet mass [GeV].
        score: anomaly score, by the window whose centre is nearest.
        window: edges of that window [GeV].
        log10_efficiency: log10 of the background efficiency of a cut at the score.
        features: feature -> value; empty for the toy.
    """

    event_id: int
    mass: float
    score: float
    window: tuple[float, float]
    log10_efficiency: float
    features: dict[str, float]


@dataclass(frozen=True)
class TopEvents(Record):
    """The content of ``top_events.json``; lists are the rarest score first, each event once.

    Attributes:
        units: feature -> unit, "" without one.
        overall: events of the whole scan.
        hotspot: events of the window with the largest excess; empty without one.
    """

    units: dict[str, str]
    overall: tuple[TopEvent, ...]
    hotspot: tuple[TopEvent, ...]
