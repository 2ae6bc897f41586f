"""From scores to the body of an answer, in the order of the events."""

import csv
import io
from collections.abc import Iterator

import numpy as np
import orjson

from anode.pipeline.scoring.scorer import ScoredEvents, Scorer
from anode.records import Json
from anode.service.bodies import CSV, JSON, NDJSON, NPY
from anode.service.errors import Refused

KINDS = (JSON, NDJSON, CSV, NPY)

Row = dict[str, Json]


def kind_of(accept: str) -> str:
    """The media type to answer with, of a header Accept.

    Raises:
        Refused: none that is asked for is written.

    Example:
        >>> kind_of("text/html, */*;q=0.1"), kind_of("text/csv")
        ('application/json', 'text/csv')
    """
    asked = [part.partition(";")[0].strip() for part in accept.split(",")]
    for kind in asked:
        if kind in KINDS:
            return kind
        if kind in ("", "*/*", "application/*"):
            return JSON
    raise Refused(415, f"Accept must name one of {', '.join(KINDS)}")


def encode(kind: str, scorer: Scorer, found: ScoredEvents) -> bytes:
    """The body of an answer."""
    if kind == NPY:
        return _npy(found)
    if kind == CSV:
        return _csv(scorer, found)
    if kind == NDJSON:
        return b"".join(lines(scorer, found))
    content = {
        "model": scorer.name,
        "method": scorer.method,
        "meaning": scorer.meaning,
        "n_events": len(found),
        "n_scored": int(found.scored.sum()),
        "events": list(rows(scorer, found)),
    }
    return orjson.dumps(content)


def lines(scorer: Scorer, found: ScoredEvents) -> Iterator[bytes]:
    """A line of JSON for each event."""
    return (orjson.dumps(row) + b"\n" for row in rows(scorer, found))


def rows(scorer: Scorer, found: ScoredEvents) -> Iterator[Row]:
    """An object for each event; null where there is no number."""
    parts = {name: _listed(values) for name, values in found.parts.items()}
    windows: list[Json] = [[window.low, window.high] for window in scorer.windows]
    columns = (
        _listed(found.score),
        found.mass.tolist(),
        _listed(found.passed),
        found.outside.tolist(),
        found.fitted.tolist(),
        found.window.tolist(),
    )
    for number, values in enumerate(zip(*columns, strict=True)):
        score, mass, passed, outside, fitted, window = values
        yield {
            "score": score,
            "mass": mass,
            "parts": {name: parts[name][number] if parts else None for name in scorer.part_names},
            "passed": passed,
            "window": windows[window] if window >= 0 else None,
            "outside": outside,
            "fitted": fitted,
            "reason": found.why_not(number),
        }


def _listed(values: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def _npy(found: ScoredEvents) -> bytes:
    """(N, 3) score, mass and passed; NaN where there is none."""
    stream = io.BytesIO()
    np.save(stream, np.stack([found.score, found.mass, found.passed], axis=1), allow_pickle=False)
    return stream.getvalue()


def _csv(scorer: Scorer, found: ScoredEvents) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    names = scorer.part_names
    writer.writerow(["score", "mass", *names, "passed", "outside", "fitted", "reason"])
    for row in rows(scorer, found):
        parts = row["parts"]
        assert isinstance(parts, dict)
        flat = [row["score"], row["mass"], *(parts[name] for name in names), row["passed"]]
        writer.writerow([*flat, row["outside"], row["fitted"], row["reason"]])
    return stream.getvalue().encode()
