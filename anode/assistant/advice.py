"""What to check next and what to ask the user, by rules."""

from collections.abc import Sequence

from anode.assistant.toolbox.data_facts import DataFacts, ProposalFacts
from anode.assistant.toolbox.search_facts import SearchFacts
from anode.reporting.common.number_format import mass_range, rounded

SEEN = 3.0
"""Local Z from which a check sees the excess, too."""
_CHECKS = {
    "spurious signal": "Fit with another range (spectrum.low, spectrum.high), and compare.",
    "poor fit": "Fit with another range (spectrum.low, spectrum.high), and look at the spectrum.",
    "sculpting": "Leave out features that hang on the mass, and search again.",
    "score and mass": "Leave out features that hang on the mass, and search again.",
    "copies": "Remove the repeated events, and search again.",
    "over-dispersion": "Measure the spread of counts: overdispersion.n_experiments=100.",
    "above toys": "More toys: n_toys.",
    "not calibrated": "Search samples without signal with these settings: anode calibrate.",
    "edge": "Scan further to that side, if the events allow.",
    "skipped": "Wider windows or lower scan.min_events where windows were skipped.",
    "not tested": "A lower spectrum.low or other windows where windows were not tested.",
}
"""Kind of a warning -> what to do about it."""


def next_steps(
    search: SearchFacts, kinds: Sequence[str], claimed: bool, forest: SearchFacts | None
) -> list[str]:
    """What to do next, from the kinds of the warnings and whether an excess is claimed."""
    lines = list(dict.fromkeys(_CHECKS[kind] for kind in _CHECKS if kind in kinds))
    best = search.best
    if claimed and best is not None:
        window = mass_range(best.low, best.high)
        lines.insert(0, f"Test {window} alone on other events: no look-elsewhere effect then.")
        lines.append("Search again with other features, another method (method=cathode) and "
                     "another seed: a signal stays.")  # fmt: skip
        lines.append(
            "Look at the top events of the window in report.html: detector, trigger, jets."
        )
    if not claimed and forest is not None and forest.best and forest.best.z_test >= SEEN:
        lines.append("The isolation forest has an excess there: look at its report.")
    return lines or ["Nothing that the numbers ask for."]


def questions(
    data: DataFacts, proposal: ProposalFacts, claimed: bool, has_luminosity: bool
) -> list[str]:
    """What only the user knows."""
    lines = [
        f"The masses go from {rounded(data.mass_low)} to {rounded(data.mass_high)}, taken as GeV: "
        "is that the unit?",
        f"The spectrum is smooth from {rounded(proposal.fit_low)} GeV on: does the trigger turn "
        "on below that?",
    ]
    if data.n_repeated:
        lines.append(f"{data.n_repeated:,} rows repeat an earlier one: were jobs merged twice?")
    if data.n_faulty:
        lines.append(f"{data.n_faulty:,} rows break a rule: is the reason known?")
    if proposal.excess is not None:
        low, high = proposal.excess.low, proposal.excess.high
        lines.append(
            f"An excess is visible without any selection at {mass_range(low, high)}: is it "
            "expected, such as a known resonance?"
        )
    if claimed:
        lines.append("Are there further events, or was this file looked at before?")
        if not has_luminosity:
            lines.append("What is the luminosity? With it limits are cross-sections.")
    if data.has_labels:
        lines.append("The file has labels, which were not read: may they be, to judge the score?")
    return lines
