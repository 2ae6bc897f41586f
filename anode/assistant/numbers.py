"""Numbers in a text that no tool has returned, marked."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from anode.records import Json

MARK = "†"

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>(?<![\w)\]%.])[-−+])?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<e>[-+]?\d+)|\s*[×x*]\s*10\s*\^?\s*\{?(?P<ten>[-−+]?[0-9⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+)\}?)?"
    r"(?P<unit>\s*(?:%|TeV\b|MeV\b))?"
    r"(?![.,]?\d)(?:(?!\w)|(?=(?:[x×σ]|GeV|sigma)\b))"
)
_RANGE = re.compile(r"\s*(?:[-–—]|to|and)\s*\d[\d.,]*\s*(%|TeV\b|MeV\b)")
"""What stands behind the first number of a range, with the unit of both."""
_ORDINAL = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
_UNITS = {"%": 0.01, "TeV": 1000.0, "MeV": 0.001}
"""What a number before such a unit is in the units of the tools: a fraction, GeV."""

_NO_FACTS = ("job", "jobs", "id", "begun", "folder", "output", "files", "sha256")
"""Keys of results whose digits, of times and names, are no numbers."""


class _Written(NamedTuple):
    """A number as it stands in a text: its value, and half of its last place."""

    value: float
    half: float

    def is_of(self, known: float) -> bool:
        """Whether it is a known number, rounded to the places that are shown."""
        return abs(self.value - known) <= self.half * (1 + 1e-9) + 1e-12 * abs(known)


def mark_unknown(text: str, known: set[float]) -> tuple[str, list[str]]:
    """The text with a dagger behind each number that is none of the known ones, and a last line
    that lists them; and the list.

    A number may be rounded, stand in TeV where a tool gave GeV, or in percent of a fraction.
    Numbers of a list (``1.`` at the beginning of a line) and those in names (``tau21``) are none.

    Example:
        >>> mark_unknown("Z = 7.6 at 3.5 TeV, 407 events", {7.581, 3500.0})[1]
        ['407']
    """
    ordinals = [match.span() for match in _ORDINAL.finditer(text)]
    unknown: list[str] = []
    parts, last = [], 0
    for match in _NUMBER.finditer(text):
        if any(start <= match.start() < end for start, end in ordinals):
            continue
        if any(each.is_of(number) for each in _readings(match) for number in known):
            continue
        written = match[0].strip()
        unknown.append(written)
        parts += [text[last : match.end()], MARK]
        last = match.end()
    marked = "".join([*parts, text[last:]])
    if not unknown:
        return text, []
    return f"{marked}\n\n{MARK} No tool returned: {', '.join(dict.fromkeys(unknown))}.", unknown


def numbers_in(facts: Json) -> Iterator[float]:
    """Every number of a tool's result, those in its texts too.

    Example:
        >>> sorted(numbers_in({"z": 7.5, "low": [3300], "ok": True, "text": "Z > 4.1"}))
        [4.1, 7.5, 3300.0]
    """
    if isinstance(facts, bool) or facts is None:
        return
    if isinstance(facts, int | float):
        yield float(facts)
    elif isinstance(facts, str):
        for match in _NUMBER.finditer(facts):
            yield from (each.value for each in _readings(match))
    elif isinstance(facts, dict):
        for name, item in facts.items():
            if name not in _NO_FACTS:
                yield from numbers_in(item)
    else:
        for item in facts:
            yield from numbers_in(item)


def _readings(match: "re.Match[str]") -> list[_Written]:
    """A number as written, and in the units of the tools."""
    digits = match["digits"].replace(",", "")
    power = match["e"] or (match["ten"] or "0").replace("−", "-").translate(_SUPERSCRIPTS)
    scale = 10.0 ** min(300, max(-300, int(power)))
    value = float(digits) * scale * (-1 if match["sign"] in ("-", "−") else 1)
    half = 0.5 * scale * 10.0 ** -len(digits.partition(".")[2])
    readings = [_Written(value, half)]
    later = _RANGE.match(match.string, match.end())
    factor = _UNITS.get((match["unit"] or (later[1] if later else "")).strip())
    if factor is not None:
        readings.append(_Written(value * factor, half * factor))
    return [each for each in readings if math.isfinite(each.value)]
