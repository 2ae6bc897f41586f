"""Data card of a zoo of signals: what a person needs to know of each, on one page."""

from collections.abc import Sequence

from anode.evaluation.description.signal_zoo import SignalZoo, ZooSignal
from anode.reporting.common.tables import table

_HOW = """\
**Pythia** makes the events (settings of each signal below), 13 TeV, no multiparton interactions;
particles that live longer than cτ = 10 mm reach the detector. **Detector**, **jets** and
**N-subjettiness** are those of the bundled events: energy flow with the efficiencies, resolutions
and cells of the CMS card of Delphes, anti-kT jets of R = 1.0, leading jet above the trigger and
|η| < 2.5, τ_N with β = 1 and one-pass kT axes. Resonances are cut at 0.8 and 1.2 times their mass.

One file a signal, as `data=bundled data.path=FILE` reads it: `event_id`, the 14 columns of the LHC
Olympics features and `label` (1 throughout). Ids differ between signals and seeds, and from those
of the bundled events. Attributes of a file hold the settings of Pythia, seed, numbers of generated
and accepted events, and versions."""


def zoo_page(card: SignalZoo) -> str:
    """The data card as Markdown, from the content of ``card.json``."""
    parts = [
        "# A zoo of signals",
        "Written by `anode generate process=zoo`; this page, `card.json` and `figures/` too.",
        "## Signals",
        _signals(card),
        "Prongs are the quarks and gluons that a jet comes from, masses those of what decays to\n"
        "them, lighter jet first; 0 is a quark or a dark shower.",
        "## What they look like",
        _looks(card),
        f"Share of m_JJ: events within ±{card.mjj_half_width:g} GeV of the resonance. The other\n"
        "columns are medians; J1 is the lighter jet in mass, J2 the heavier. Efficiencies are\n"
        "those of the trigger, with binomial errors.",
        "![overview](figures/overview.png)",
        "## How the events were made",
        _HOW,
        "Packages: " + ", ".join(f"{k} {v}" for k, v in card.packages.items()) + ".",
        *(_one(name, signal) for name, signal in card.signals.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _signals(card: SignalZoo) -> str:
    rows = [
        [
            name,
            signal.decay,
            f"{signal.resonance_mass:g}",
            f"{signal.resonance_width:g}",
            " + ".join(map(str, signal.prongs)),
            " and ".join(f"{mass:g}" for mass in signal.masses_gev),
            f"{signal.n_events:,}",
        ]
        for name, signal in card.signals.items()
    ]
    header = ["signal", "process", "mass [GeV]", "width [GeV]", "prongs", "jet masses [GeV]"]
    return _table([*header, "events"], rows)


def _looks(card: SignalZoo) -> str:
    header = ["signal", "efficiency", "share of m_JJ", "m_JJ [GeV]", "m_J1 [GeV]", "m_J2 [GeV]"]
    header += ["τ21 J1", "τ21 J2", "τ32 J1", "τ32 J2"]
    return _table(header, [_look(name, signal) for name, signal in card.signals.items()])


def _look(name: str, signal: ZooSignal) -> list[str]:
    median = {feature: spread.median for feature, spread in signal.features.items()}
    return [
        name,
        f"{signal.trigger_efficiency:.3f} ± {signal.trigger_efficiency_error:.3f}",
        f"{100 * signal.mjj_share:.1f}%",
        *(f"{median[feature]:.0f}" for feature in ("mjj", "mj1", "mj2")),
        *(f"{median[feature]:.2f}" for feature in ("tau21_1", "tau21_2", "tau32_1", "tau32_2")),
    ]


def _one(name: str, signal: ZooSignal) -> str:
    lines = [
        f"## {name}",
        "",
        f"{signal.decay}. {signal.n_events:,} events of {signal.n_generated:,} generated, seed "
        f"{signal.seed}, leading jet above",
        f"{signal.trigger_pt:g} GeV, ids from {signal.first_event_id}, sha256",
        f"`{signal.sha256}`.",
        "",
        f"![{name}](figures/{name}.png)",
        "",
        "```",
        *signal.settings,
        "```",
    ]
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table(header, rows, markdown=True)
