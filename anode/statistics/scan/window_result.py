"""Result of one window at one cut: counts, significance, fit, template, limit."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from anode.records import LEFT_OUT_IF_NONE, Record
from anode.statistics.counting.significance import local_significance
from anode.statistics.signal.signal_fit import Strength


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
        n_parameters: number of parameters of the function.
        deviance: Baker-Cousins chi2 of the fitted bins.
        ndf: number of fitted bins less the parameters.
        p_value: p-value of the goodness of fit, of merged bins; None where too few are left to
            judge.
        p_value_with_signal: the same of the fit of all bins with a resonance at the centre of the
            window; None where it was not made.
    """

    n_parameters: int
    deviance: float
    ndf: int
    p_value: float | None
    p_value_with_signal: float | None = None


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

    @classmethod
    def of(cls, n_observed: int, n_total: int, efficiency: float, error: float) -> Self:
        """The template's prediction: its efficiency times the events of the window.

        Args:
            n_observed: events of the window that pass.
            n_total: all events of the window.
            efficiency, error: fraction of the template that passes, and its error.
        """
        n_expected = efficiency * n_total
        # n_total contains the passing events and fluctuates with them, so only the binomial error
        # remains; that of one event at least.
        n_error = error * max(n_total, 1)
        local = local_significance(n_observed, n_expected, n_error)
        p, z = float(local.p_local), float(local.z_local)
        return cls(efficiency, error, n_expected, n_error, p, z)


@dataclass(frozen=True)
class EventLimit(Record):
    """Upper limit on signal events that pass the cut, at any mass, at 95% CLs.

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
        p_local, z_local: significance of a resonance at the centre of the window in the spectrum
            of all events that pass; of the count where no fit predicts it.
        n_total: number of events of the window without a cut.
        threshold: score that the cut asks for; None without a cut.
        expected_from: source of the expectation: "fit" of the spectrum outside the window,
            "template", or "observed" where nothing predicts.
        tested: True if a fit of the spectrum tests it: only such windows compete for the largest
            excess.
        reason: reason why not, or None.
        significance_from: method, "asymptotic"; "toys" where few events are fitted; "above toys"
            where Z lies above their reach and their last shift is kept; "exact" for a count.
        fit: quality of the fit; None where there is none.
        template: independent prediction; None without a cut, or where it could not be fixed.
        strength: fitted number of signal events that pass, at any mass, with its 68% interval.
        limit: upper limit on signal events that pass; None if it was not asked for.
        cross_section: the same as a cross-section [fb]; None without a luminosity.
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
    cross_section: EventLimit | None = field(default=None, kw_only=True, metadata=LEFT_OUT_IF_NONE)

    @property
    def pull(self) -> float | None:
        """(fit - template) / combined error; None if it does not have both predictions."""
        if self.template is None or self.expected_from != "fit":
            return None
        error = float(np.hypot(self.n_expected_error, self.template.n_expected_error))
        return (self.n_expected - self.template.n_expected) / error if error > 0 else None


@dataclass(frozen=True)
class CategoryTest(Record):
    """Events of a window whose score lies between two cuts.

    Attributes:
        loosest: background efficiency of the cut that they pass.
        tightest: background efficiency of the cut that they do not pass; 0 if there is none.
        n_observed: number of events of the window.
        n_expected, n_expected_error: background events expected by the fit beside the window.
        overdispersion: standard deviation of counts without signal over that of Poisson counts.
        strength: fitted number of signal events, at any mass.
        z_local: significance of a resonance in this category alone.
        significance_from: as that of a ``WindowTest``.
    """

    loosest: float
    tightest: float
    n_observed: int
    n_expected: float
    n_expected_error: float
    overdispersion: float
    strength: float
    z_local: float
    significance_from: str


@dataclass(frozen=True)
class CombinedTest(MassWindow):
    """All score categories of a window in one test; see ``statistics.counting.ordered_test``.

    Attributes:
        low, high: edges of the window [GeV].
        categories: tests of the categories, scores rising; those that too few events pass are
            joined.
        p_local, z_local: significance of a signal whose share does not fall with the score; None
            if the window could not be tested.
        reason: reason why it could not, or None.
    """

    categories: tuple[CategoryTest, ...]
    p_local: float | None
    z_local: float | None
    reason: str | None


@dataclass(frozen=True)
class LargestExcess(WindowTest):
    """The test with the largest local significance, and how rare that is over the whole scan.

    Attributes:
        test: kind of the tests that competed: "categories", a window with all its score
            categories; "cuts", a window at one cut. Of categories the counts are those of the
            window's most significant cut.
        spurious: signal that a background of another shape makes in these spectra, over its
            statistical error; from 0.2 on a part of the error of ``z_test``.
        p_test, z_test: local significance of the test that competed; None in older files, where
            it is that of the cut.
        p_global, p_global_error: probability of as large an excess anywhere without signal, with
            the error that the number of toys leaves.
        z_global, z_global_error: global probability and its error as Z.
        p_global_from: source of ``p_global``: "toys", or "above toys" where none is as large:
            then p_global is an upper limit at 95% and z_global a lower one.
    """

    test: str = field(default="cuts", kw_only=True)
    spurious: float = field(default=0.0, kw_only=True)
    p_test: float | None = field(default=None, kw_only=True)
    z_test: float | None = field(default=None, kw_only=True)
    p_global: float
    p_global_error: float
    z_global: float
    z_global_error: float
    p_global_from: str

    @property
    def z_of_test(self) -> float:
        """Local Z of the test that competed."""
        return self.z_local if self.z_test is None else self.z_test

    @property
    def p_of_test(self) -> float:
        """Local p of the test that competed."""
        return self.p_local if self.p_test is None else self.p_test
