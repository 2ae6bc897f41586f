"""N-subjettiness, which tells jets of N prongs from others.

The measure (J. Thaler, K. Van Tilburg, JHEP 03 (2011) 015, arXiv:1011.2268, eq. 2.2):

    tau_N = sum_k pT_k min(dR_1k, ..., dR_Nk)^beta / sum_k pT_k R0^beta

The axes 1 to N are chosen by name:

``onepass_kt``
    exclusive kT jets, improved by one pass of minimisation (JHEP 02 (2012) 093); by the FastJet
    contribution Nsubjettiness, distances in rapidity. The default, as in the bundled events.
``onepass_wta_kt``, ``wta_kt``
    exclusive kT jets of the winner-take-all scheme, with and without that pass; FastJet as well.
``kt``
    exclusive kT jets of FastJet with the radius of the jet, not improved; distances in
    pseudorapidity, in which an axis, being massive, lies elsewhere than in rapidity.
``kt_unwrapped``
    the same with azimuths subtracted as they are, as in the first published features of the LHC
    Olympics: jets across |phi| = pi get a far too large tau_N there.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anode.jets.settings import AXES, DEFAULT, JetConfig

if TYPE_CHECKING:
    import awkward as ak


def n_subjettiness(
    jets: "ak.Array", *, settings: JetConfig = DEFAULT, n_axes: Sequence[int] = (1, 2, 3)
) -> NDArray[np.float64]:
    """(J, len(n_axes)) tau_N of jets.

    Normalised measure with the R0 of the settings (FastJet's own default of 0.8 would scale every
    tau_N). A jet of at most N constituents has tau_N = 0.

    Args:
        jets: awkward array of J lists of constituents (px, py, pz, E) [GeV], none empty.
        settings: settings with axes, beta and R0.
        n_axes: numbers N, each at least 1.
    """
    import fastjet

    if len(jets) == 0:
        return np.empty((0, len(n_axes)))
    name = AXES[settings.axes]
    if name is None:
        return _from_exclusive_jets(jets, settings, n_axes)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, settings.radius)
    tau = fastjet.ClusterSequence(jets, definition).njettiness(
        measure_definition="NormalizedMeasure",
        axes_definition=name,
        njets=list(n_axes),
        beta=settings.beta,
        R0=settings.r0,
    )
    return np.asarray(tau, dtype=np.float64).reshape(len(jets), len(n_axes))


def _from_exclusive_jets(
    jets: "ak.Array", settings: JetConfig, n_axes: Sequence[int]
) -> NDArray[np.float64]:
    """tau_N with exclusive kT jets of FastJet as axes, and distances in pseudorapidity."""
    import awkward as ak
    import fastjet

    definition = fastjet.JetDefinition(fastjet.kt_algorithm, settings.radius)
    sequence = fastjet.ClusterSequence(jets, definition)
    particles = _directions(jets)
    total = ak.sum(particles.pt, axis=1) * settings.r0**settings.beta
    result = np.empty((len(jets), len(n_axes)))
    for column, n in enumerate(n_axes):
        axes = _directions(_exclusive_jets(sequence, n))
        particle, axis = ak.unzip(ak.cartesian([particles, axes], nested=True))
        turn = particle.phi - axis.phi
        if settings.axes != "kt_unwrapped":
            turn = (turn + np.pi) % (2 * np.pi) - np.pi
        nearest = ak.min(np.hypot(particle.eta - axis.eta, turn), axis=2)
        result[:, column] = ak.to_numpy(
            ak.sum(particles.pt * nearest**settings.beta, axis=1) / total
        )
    return result


def _exclusive_jets(sequence: "ak.Array", n: int) -> "ak.Array":
    """n exclusive jets of each jet, or its particles if there are fewer."""
    shown = warnings.formatwarning
    try:
        with warnings.catch_warnings():
            # The package warns of the kT algorithm too, for which exclusive jets are made.
            warnings.simplefilter("ignore")
            return sequence.exclusive_jets_up_to(n_jets=n)
    finally:
        warnings.formatwarning = shown


def _directions(momenta: "ak.Array") -> "ak.Array":
    """pT [GeV], pseudorapidity and azimuth of momenta (px, py, pz)."""
    import awkward as ak

    pt = np.hypot(momenta.px, momenta.py)
    return ak.zip(
        {"pt": pt, "eta": np.arcsinh(momenta.pz / pt), "phi": np.arctan2(momenta.py, momenta.px)}
    )
