"""Data card of generated events: what a person needs to know of them, on one page."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from anode.evaluation.description.generated_data import (
    GeneratedData,
    GeneratedSample,
    KsDistances,
)

_REFERENCES = """\
- LHC Olympics 2020 R&D data set: G. Kasieczka, B. Nachman, D. Shih, Zenodo records
  [4536377](https://doi.org/10.5281/zenodo.4536377) and
  [6466204](https://doi.org/10.5281/zenodo.6466204) (CC-BY 4.0). None of its events are in this
  file; figures and table compare with histograms of them.
- Pythia 8.3: C. Bierlich et al., [arXiv:2203.11601](https://arxiv.org/abs/2203.11601).
- FastJet: M. Cacciari, G. P. Salam, G. Soyez, [arXiv:1111.6097](https://arxiv.org/abs/1111.6097);
  anti-kT, [arXiv:0802.1189](https://arxiv.org/abs/0802.1189).
- N-subjettiness: J. Thaler, K. Van Tilburg, [arXiv:1011.2268](https://arxiv.org/abs/1011.2268)
  and [arXiv:1108.2701](https://arxiv.org/abs/1108.2701).
- Detector card: Delphes, [arXiv:1307.6346](https://arxiv.org/abs/1307.6346).
"""

_SYMBOLS = {
    "mjj": "m_JJ",
    "mj1": "m_J1",
    "delta_mj": "Δm_J",
    "tau21_1": "τ21 J1",
    "tau21_2": "τ21 J2",
    "pt_1": "pT J1",
    "pt_2": "pT J2",
}
_TITLES = {
    "signal_region": "Signal region, against version 2 of the R&D events",
    "full_range": "All events, against the first 20,000 R&D events of version 1",
}


def card_text(card: GeneratedData) -> str:
    """The data card as Markdown, from the content of ``card.json``."""
    samples = card.samples
    parts = [
        f"# {card.file}: simulated dijet events",
        _introduction(card),
        "## Content",
        _counts(samples),
        _columns(card),
        "Share of events by m_JJ:",
        _shares(samples, card.mjj_share_edges_gev),
        "## How the events were made",
        _chain(card),
        *(_settings(name, sample.settings) for name, sample in samples.items()),
        "Packages: " + ", ".join(f"{k} {v}" for k, v in card.packages.items()) + ".",
        "The same versions on the same kind of machine give the same bytes, whatever the number\n"
        "of processes. Elsewhere the last digits of a mathematical function may differ.",
        _comparison(card.comparison),
        "## References",
        _REFERENCES,
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _introduction(card: GeneratedData) -> str:
    return (
        "Written by `anode generate`; this page, `card.json` and `figures/` too.\n\n"
        f"sha256 `{card.sha256}`, {card.bytes / 1e6:.1f} MB, seed {card.seed}, "
        f"format {card.format_version}."
    )


def _counts(samples: Mapping[str, GeneratedSample]) -> str:
    rows = [
        [
            f"{name} (label {sample.label})",
            f"{sample.n_events:,}",
            f"{sample.n_generated:,}",
            f"{sample.trigger_efficiency:.3f}",
        ]
        for name, sample in samples.items()
    ]
    return _table(["sample", "events", "generated", "trigger efficiency"], rows)


def _columns(card: GeneratedData) -> str:
    bits = card.mantissa_bits
    return f"""\
One HDF5 dataset a column, gzip with shuffle, background first:

- `event_id` (int64): unique, also among files of different seeds.
- `pxj1 pyj1 pzj1 mj1` [GeV], `tau1j1 tau2j1 tau3j1` and the same for `j2` (float32): j1 is the jet
  of larger transverse momentum. Mantissas are rounded to {bits.momenta_and_masses} bits for
  momenta and masses and {bits.tau} bits for tau_N, far finer than a detector resolves.
- `label` (int8): 1 signal, 0 background.

A jet of a single particle has tau_1 = 0, as in the R&D files; tau_21 is then defined as 0."""


def _shares(samples: Mapping[str, GeneratedSample], edges: Sequence[float]) -> str:
    ranges = [f"{low / 1000:g} to {high / 1000:g} TeV" for low, high in pairwise(edges)]
    rows = [
        [name, *(f"{100 * share:.2f}%" for share in sample.mjj_shares)]
        for name, sample in samples.items()
    ]
    return _table(["sample", *ranges], rows)


_BUNDLED_SIGNAL = (
    "W' → X Y, each boson to two quarks; their masses are those of particles 34, 23 and 24."
)


def _chain(card: GeneratedData) -> str:
    named = next((name for name, sample in card.samples.items() if sample.label), "signal")
    signal = _BUNDLED_SIGNAL if named == "signal" else f"`signal={named}` of `anode generate`."
    return f"""\
1. **Pythia** generates the final-state particles (settings below). Background: QCD dijets.
   Signal: {signal}
2. **Detector** (`anode/events/detector.py`): energy flow with the efficiencies, resolutions and
   cells of the CMS card of Delphes, massless objects up to |η| = 5, no pile-up.
3. **Jets**: FastJet anti-kT, R = 1.0. Trigger: leading jet pT > {card.trigger_pt:g} GeV and
   |η| < 2.5. The two leading jets are kept.
4. **Substructure**: τ_N with β = 1, one-pass kT axes, normalised measure, R0 = 1.0.

The defaults were chosen by comparison with the R&D events: pTHatMin = 1100 (their jet pT and m_JJ
spectra), no decays of particles beyond cτ = 10 mm (their number of objects), no multiparton
interactions (their masses and τ21), natural boson widths (the signal's masses)."""


def _settings(name: str, settings: Sequence[str]) -> str:
    return "\n".join([f"Pythia settings of the {name}:", "", "```", *settings, "```"])


def _comparison(comparisons: Mapping[str, Mapping[str, KsDistances]]) -> str:
    if not comparisons:
        return ""
    parts = [
        "## Comparison with the LHC Olympics R&D events",
        "Kolmogorov–Smirnov distances (largest difference of the cumulative distributions).\n"
        "*Noise* is what samples of these sizes stay below in 68% of the cases if they follow\n"
        "one distribution. J1 is the lighter, J2 the heavier jet.",
    ]
    for name, samples in comparisons.items():
        features = list(next(iter(samples.values())).ks)
        header = ["sample", "ours", "R&D", "noise", *(_SYMBOLS[f] for f in features)]
        rows = [
            [
                sample,
                f"{row.n_generated:,}",
                f"{row.n_reference:,}",
                f"{row.noise:.3f}",
                *(f"{row.ks[feature]:.3f}" for feature in features),
            ]
            for sample, row in samples.items()
        ]
        parts += [f"**{_TITLES[name]}**", _table(header, rows), f"![{name}](figures/{name}.png)"]
    return "\n\n".join(parts)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
