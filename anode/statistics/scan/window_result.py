"""Result of one window at one cut: counts, significance, fit, template, limit."""

from dataclasses import dataclass

import numpy as np

from anode.records import Record
from anode.statistics.counting.limits import Strength


@dataclass(frozen=True)
class MassWindow(Record):
    """A window [low, high) in the di-jet mass.

    Attributes:
        low, high: edges of the window [GeV].
    """

    low: float
    high: float

    @property
    def mass(self) -> float:
        """Centre of the window [GeV]."""
        return (self.low + self.high) / 2

    def same_window(self, other: "MassWindow") -> bool:
        """Whether both are of one window, at whatever cut."""
        return (self.low, self.high) == (other.low, other.high)


@dataclass(frozen=True)
class CutWindow(MassWindow):
    """A window at one cut on the score.

    Attributes:
        efficiency: nominal fraction of background that passes the cut; 1 is no cut.
    """

    efficiency: float


@dataclass(frozen=True)
class FitQuality(Record):
    """The di-jet function fitted to the spectrum outside a window.

    Attributes:
        n_parameters: number of parameters of the function that the F-test chose, 3 to 5.
        deviance: Baker-Cousins chi2 of the fitted bins.
        ndf: number of fitted bins less the parameters.
        p_value: p-value of the goodness of fit, of merged bins; None where too few are left to
            judge.
        f_tests: p-value of each improvement, by name ("3->4", "4->5").
    """

    n_parameters: int
    deviance: float
    ndf: int
    p_value: float | None
    f_tests: dict[str, float]


@dataclass(frozen=True)
class TemplateExpectation(Record):
    """What the template of background expects in a window, independently of the fit.

    Attributes:
        efficiency, efficiency_error: fraction of the template that passes the cut, with its
            binomial error.
        n_expected, n_expected_error: background events expected, this fraction of all events of
            the window, and their error.
        p_local, z_local: significance of the observed events against this expectation.
    """

    efficiency: float
    efficiency_error: float
    n_expected: float
    n_expected_error: float
    p_local: float
    z_local: float


@dataclass(frozen=True)
class EventLimit(Record):
    """Upper limit on signal events that pass the cut, at 95% CLs.

    Attributes:
        observed: upper limit on signal events.
        expected: upper limits of background alone [events]: the median, and one and two standard
            deviations below and above, in rising order.
    """

    observed: float
    expected: tuple[float, float, float, float, float]


@dataclass(frozen=True)
class WindowTest(CutWindow):
    """One window at one cut; an entry of ``windows`` in ``search.json``.

    Attributes:
        low, high: edges of the window [GeV].
        efficiency: nominal fraction of background that passes the cut; 1 is no cut.
        n_observed: number of events of the window that pass.
        n_expected, n_expected_error: background events expected, from ``expected_from``.
        p_local, z_local: probability of as many or more events without signal, and its Z.
        n_total: number of events of the window without a cut.
        threshold: score that the cut asks for; None without a cut.
        expected_from: source of the expectation: "fit" of the spectrum outside the window,
            "template", or "observed" where nothing predicts.
        tested: True if it competes for the largest excess: only predictions of a fit do.
        reason: reason why it does not, or None.
        significance_from: method, "asymptotic", or "exact" where few events are expected.
        fit: quality of the fit; None where there is none.
        template: independent prediction; None without a cut, or where it could not be fixed.
        strength: fitted number of signal events that pass, with its 68% interval.
        limit: upper limit on signal events that pass; None if it was not asked for.
    """

    n_observed: int
    n_expected: float
    n_expected_error: float
    p_local: float
    z_local: float
    n_total: int
    threshold: float | None
    expected_from: str
    tested: bool
    reason: str | None
    significance_from: str
    fit: FitQuality | None
    template: TemplateExpectation | None
    strength: Strength
    limit: EventLimit | None

    @property
    def pull(self) -> float | None:
        """(fit - template) / combined error; None if it does not have both predictions."""
        if self.template is None or self.expected_from != "fit":
            return None
        error = float(np.hypot(self.n_expected_error, self.template.n_expected_error))
        return (self.n_expected - self.template.n_expected) / error if error > 0 else None


@dataclass(frozen=True)
class LargestExcess(WindowTest):
    """The test with the largest local significance, and how rare that is over the whole scan.

    Attributes:
        p_global, p_global_error: probability of as large an excess anywhere without signal, with
            the error that the number of toys leaves.
        z_global, z_global_error: global probability and its error as Z.
        p_global_from: source of ``p_global``: "toys", or "extrapolated" where too few toys come
            near.
    """

    p_global: float
    p_global_error: float
    z_global: float
    z_global_error: float
    p_global_from: str
