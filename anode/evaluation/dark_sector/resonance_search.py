"""What searches for a dark Z' have found: one for each set of features, strength and seed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FoundResonance:
    """One search of a mass spectrum of background in which a signal may hide.

    Attributes:
        features: name of the set of features that the method saw.
        strength: S/sqrt(B) that was asked for in the window.
        seed: root seed, which draws the signal events and the fits.
        n_injected: number of signal events put into the data, at all masses.
        n_signal, n_background: numbers of them and of background events in the window.
        z_inclusive: local significance of the window without a cut on the score; None if it could
            not be tested.
        z_selected: local significance of the window with all score categories; None as above.
        best_low, best_high: window of the largest excess [GeV]; None without any test.
        z_global: significance of the largest excess over the whole scan; None as above.
        is_lower_limit: True if no toy reaches it: ``z_global`` is a lower limit then.
    """

    features: str
    strength: float
    seed: int
    n_injected: int
    n_signal: int
    n_background: int
    z_inclusive: float | None
    z_selected: float | None
    best_low: float | None
    best_high: float | None
    z_global: float | None
    is_lower_limit: bool
