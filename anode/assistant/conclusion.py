"""What the numbers of an analysis allow to be said, by rules: no number is made here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from anode.assistant.advice import SEEN, next_steps, questions
from anode.assistant.toolbox.data_facts import DataFacts, ProposalFacts
from anode.assistant.toolbox.score_facts import ScoreFacts
from anode.assistant.toolbox.search_facts import Excess, SearchFacts
from anode.reporting.common.number_format import (
    efficiency_text,
    mass_range,
    p_text,
    rounded,
    with_error,
    z_text,
)

CLAIMED = ("evidence", "excess")
"""Levels of a search, global Z from 3 on, at which an excess is claimed."""
_POOR = 0.01

_EXPLANATIONS = {
    "spurious signal": "A background of another shape than the fitted function.",
    "poor fit": "A spectrum that the fitted function does not describe beside the window.",
    "poor fits": "Spectra that the fitted function does not describe in much of the scan.",
    "two expectations": "A background whose density is interpolated wrongly: fit and template "
    "disagree in the window.",
    "non-closure": "Densities of background that do not close: fit and template disagree in more "
    "windows than chance allows.",
    "sculpting": "A cut that shapes the mass spectrum outside the window.",
    "sculpting overall": "Cuts that shape the mass spectrum in several windows.",
    "score and mass": "A score that follows the mass inside the window; a resonance does so, too.",
    "copies": "Repeated events, which are counted as events of their own.",
    "low counts": "A handful of events.",
    "edge": "The edge of the scan, where one sideband is short.",
    "over-dispersion": "Counts that spread more than Poisson's, which was not measured.",
    "dropped": "A selection by the events that could not be used.",
    "deficit": "A wrong expectation: another window has far too few events.",
}
"""Kind of a warning -> what it means for an excess."""


@dataclass(frozen=True)
class Conclusion:
    """What an analysis comes to.

    Attributes:
        claimed: whether an excess is claimed.
        level: level of the search's verdict.
        low, high: window of the largest excess [GeV]; None if no window was tested.
        z_local, z_test, z_global: its significances, at its cut alone, of the test that competes
            and over the scan, as ``search.json`` has them.
        z_global_is_bound: True if toys end below it, and it is a lower limit.
        found: what was found.
        explanations: what could explain it other than a signal, or hide one.
        checks: what was checked, and with which result.
        next: what to do next.
        questions: what only the user knows.
    """

    claimed: bool
    level: str
    low: float | None
    high: float | None
    z_local: float | None
    z_test: float | None
    z_global: float | None
    z_global_is_bound: bool
    found: list[str]
    explanations: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def sections(self) -> dict[str, list[str]]:
        """Heading -> sentences."""
        other = "What could explain it other than a signal" if self.claimed else "What limits this"
        return {
            "Conclusion": self.found, other: self.explanations, "Checks": self.checks,
            "What to check next": self.next, "Questions": self.questions,
        }  # fmt: skip


def conclude(
    data: DataFacts,
    proposal: ProposalFacts,
    search: SearchFacts,
    forest: SearchFacts | None,
    scores: ScoreFacts | None,
    *,
    has_luminosity: bool = False,
) -> Conclusion:
    """The conclusion of an analysis.

    Args:
        data: description of the file.
        proposal: scan that its spectrum allows.
        search: result of the search.
        forest: isolation forest in its best window; None if there was none to test.
        scores: events of that window.
        has_luminosity: whether the search was told the luminosity of the data.
    """
    best = search.best
    claimed = search.level in CLAIMED
    kinds = [warning.kind for warning in search.warnings]
    return Conclusion(
        claimed=claimed,
        level=search.level,
        low=None if best is None else best.low,
        high=None if best is None else best.high,
        z_local=None if best is None else best.z_local,
        z_test=None if best is None else best.z_test,
        z_global=None if best is None else best.z_global,
        z_global_is_bound=best is not None and best.is_bound,
        found=_found(search, claimed),
        explanations=_explanations(search, kinds, claimed),
        checks=_checks(data, search, forest, scores),
        next=next_steps(search, kinds, claimed, forest),
        questions=questions(data, proposal, claimed, has_luminosity),
    )


def _found(search: SearchFacts, claimed: bool) -> list[str]:
    best, fitted = search.best, search.resonance
    if best is None:
        return ["No window could be tested, so nothing is claimed.", search.verdict]
    where = f"The largest of {search.n_tests} tested windows is {_window(best)}"
    if not claimed:
        why = "the toys end there, and nothing" if search.level == "beyond" else "nothing"
        return [f"{where}, with {_significance(best)}: {why} is claimed.", search.verdict]
    at = f"at background efficiency {efficiency_text(best.efficiency)}"
    expected = with_error(best.n_expected, best.n_expected_error)
    lines = [
        f"An excess that background alone does not explain: {_window(best)}, with "
        f"{_significance(best)}.",
        f"There are {best.n_observed:,} events {at}, where the fit beside the window expects "
        f"{expected}.",
    ]
    if fitted is not None:
        mass = with_error(fitted.mass, fitted.mass_error)
        n_events = rounded(fitted.n_signal)
        lines.append(f"A resonance fitted there sits at {mass} GeV, with {n_events} events.")
    return [*lines, search.verdict]


def _window(best: Excess) -> str:
    return f"{mass_range(best.low, best.high)} ({best.low:g} to {best.high:g} GeV)"


def _significance(best: Excess) -> str:
    local = f"local Z = {z_text(best.z_test)}"
    if best.z_test != best.z_local:
        local += f" of all score categories, {z_text(best.z_local)} at this cut alone"
    if not best.is_bound:
        return f"{local}, global Z = {z_text(best.z_global)} (p = {p_text(best.p_global)})"
    least = math.floor(10 * best.z_global) / 10  # of a bound, the safe side
    return f"{local}, global Z > {z_text(least)} (p < {p_text(best.p_global)})"


def _explanations(search: SearchFacts, kinds: Sequence[str], claimed: bool) -> list[str]:
    found = [f"{_EXPLANATIONS[kind]} {_text(search, kind)}" for kind in _EXPLANATIONS
             if kind in kinds]  # fmt: skip
    best = search.best
    if claimed and best is not None:
        rare = "below" if best.is_bound else "with"
        found.insert(0, f"A fluctuation of background, {rare} a probability of "
                     f"{p_text(best.p_global)} over the whole scan.")  # fmt: skip
        return found
    if search.n_skipped:
        found.append(f"{search.n_skipped} windows have too few events and say nothing.")
    if search.expected_limit is not None:
        found.append(
            f"Fewer than about {rounded(search.expected_limit)} signal events that pass the "
            "tightest cut would not be excluded."
        )
    return found


def _text(search: SearchFacts, kind: str) -> str:
    return next(warning.text for warning in search.warnings if warning.kind == kind)


def _checks(
    data: DataFacts, search: SearchFacts, forest: SearchFacts | None, scores: ScoreFacts | None
) -> list[str]:
    best = search.best
    lines = [
        f"File: {data.n_rows:,} rows, {data.n_faulty:,} that break a rule, {data.n_repeated:,} "
        "that repeat an earlier one.",
        f"Copies among the searched events: {search.n_copies:,}.",
    ]
    if best is not None:
        lines += [
            _passed("Pass rate smooth in the mass outside the window", search.sculpting_p),
            _passed("Pass rate flat in the mass inside it", search.score_mass_p),
            _closure(best),
            f"Signal that another background shape makes: {rounded(best.spurious)} of its "
            "statistical error.",
        ]
    spread = "was" if search.overdispersion_measured else "was not"
    lines.append(f"Spread of counts beyond Poisson's: {spread} measured for these settings.")
    known = "is one" if search.calibrated else "is none"
    lines.append(f"Calibration on samples without signal: there {known} of these settings.")
    lines.append(_forest(forest))
    if scores is not None:
        passing = ", ".join(f"{p.n_events:,} at {efficiency_text(p.efficiency)}"
                            for p in scores.passing)  # fmt: skip
        lines.append(
            f"Events of the window beyond the cuts: {passing}; {scores.n_repeated} of the top "
            "candidates repeat another."
        )
    return lines


def _passed(name: str, p_value: float | None) -> str:
    if p_value is None:
        return f"{name}: not tested."
    return f"{name}: p = {p_text(p_value)}, {'failed' if p_value < _POOR else 'passed'}."


def _closure(best: Excess) -> str:
    if best.closure_pull is None:
        return "Closure: no template predicts the window."
    return (
        f"Closure: fit and template of the window are {abs(best.closure_pull):.1f} standard "
        "deviations apart."
    )


def _forest(forest: SearchFacts | None) -> str:
    if forest is None or forest.best is None:
        return "Isolation forest: it could not test the window."
    z = forest.best.z_test
    if z >= SEEN:
        return f"Isolation forest: it sees the excess too, local Z = {z_text(z)}."
    return (
        f"Isolation forest: it sees no excess there, local Z = {z_text(z)}; it looks for "
        "outliers, and misses signals that are none."
    )
