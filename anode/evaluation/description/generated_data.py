"""``card.json`` of generated events: what is in the file, how it was made, how close it comes."""

from dataclasses import dataclass

from anode.records import Record


@dataclass(frozen=True)
class MantissaBits(Record):
    """Bits of the mantissa that stored numbers are rounded to.

    Attributes:
        momenta_and_masses: bits of momenta and masses.
        tau: bits of tau_N.
    """

    momenta_and_masses: int
    tau: int


@dataclass(frozen=True)
class GeneratedSample(Record):
    """Events of one process.

    Attributes:
        label: class, 1 for signal, 0 for background.
        n_events: number of events in the file.
        n_generated: number of events generated for them.
        trigger_efficiency: fraction of the generated events that the trigger accepts.
        mjj_shares: fraction of the events between neighbouring ``mjj_share_edges_gev``.
        settings: lines for Pythia.
    """

    label: int
    n_events: int
    n_generated: int
    trigger_efficiency: float
    mjj_shares: tuple[float, ...]
    settings: tuple[str, ...]


@dataclass(frozen=True)
class KsDistances(Record):
    """Kolmogorov-Smirnov distances of generated events to reference events.

    Attributes:
        n_generated, n_reference: events compared.
        noise: distance that such samples of one distribution stay below in 68% of the cases.
        ks: feature -> distance.
    """

    n_generated: int
    n_reference: int
    noise: float
    ks: dict[str, float]


@dataclass(frozen=True)
class GeneratedData(Record):
    """The content of ``card.json`` beside a generated file.

    Attributes:
        file: name of the file.
        sha256: hash of the file.
        bytes: size of the file [bytes].
        format_version: version of the file's layout.
        seed: root seed of the events.
        chunk_size: number of events generated in one piece.
        trigger_pt: transverse momentum that the leading jet needs [GeV].
        mantissa_bits: precision of the stored numbers.
        packages: name -> version, of those that determine the events.
        mjj_share_edges_gev: edges for the fractions by di-jet mass [GeV].
        samples: samples "background" and "signal".
        comparison: distances to the reference, by "signal_region" or "full_range", then by sample.
    """

    file: str
    sha256: str
    bytes: int
    format_version: int
    seed: int
    chunk_size: int
    trigger_pt: float
    mantissa_bits: MantissaBits
    packages: dict[str, str]
    mjj_share_edges_gev: tuple[float, ...]
    samples: dict[str, GeneratedSample]
    comparison: dict[str, dict[str, KsDistances]]
