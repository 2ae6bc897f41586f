"""``metrics.json``: how well a run's score tells signal from background, and on how much data."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self, TypeGuard

from anode.evaluation.curves import Performance, fpr_key
from anode.evaluation.selected_features import Spread
from anode.records import LEFT_OUT_IF_NONE, Json, Place, Record
from anode.statistics.counting.pass_rate import FlatnessTest


@dataclass(frozen=True)
class RunMetrics(Record):
    """The content of ``metrics.json``; what needs truth labels is None without them.

    Attributes:
        method: name of the method, as ``method=`` has it.
        seed: root seed.
        auc, auc_error: area under the ROC curve, and its bootstrap error.
        max_sic, max_sic_error, max_sic_fpr: highest significance improvement TPR / sqrt(FPR), its
            bootstrap error, and the false positive rate of that cut; None where no cut leaves 25
            test background events.
        sic_at_fpr, sic_at_fpr_error: false positive rate ("1e-2") -> significance improvement
            there and its error; None below the floor.
        fpr_floor: lowest false positive rate at which 25 test background events pass.
        n_test_signal, n_test_background: numbers of labelled events behind the numbers above.
        n_data_sr, n_data_sb: numbers of events of the data sample in signal region and sidebands.
        n_injected_sr: number of true signal events among those of the signal region.
        s_over_b, s_over_sqrt_b: ratios S/B and S/sqrt(B) in the signal region.
        n_dropped: number of events of the files that could not be used.
        n_copies: number of events of the data sample that have the mass and features of an earlier
            one.
        n_clipped: number of scored events whose features were clipped to the fitted range.
        n_scored_data: number of events of the data sample that were scored.
        closure: feature -> Kolmogorov-Smirnov distance of events drawn from p_bg to background in
            the signal region; None for a method without p_bg.
        sculpting: background efficiency ("1e-1", "1e-2") -> test of a pass rate that is the same
            at every mass of the signal region.
        selection: spread of each feature of data events: "all", "1e-2" (the 1% that score highest)
            or "signal" -> feature -> quantiles.
        follows: rank correlation of the score with mass, features and number of particles, as
            far as the file has them, over data events of the signal region; of background alone
            where the truth is known.
        held_out_loss: what was fitted ("p_bg", "p_data", "classifier", ...) -> mean loss of its
            validation events at the epochs that are averaged, mean over its fits. Of a density
            it is -log p of the scaled features, in nats.
        uses_truth: True if truth labels entered the scores: a ceiling, not a search.
        signal_fraction, signal_fraction_error: fitted fraction of signal in the signal region, of
            methods that fit one.
        signal_fraction_by_fold: fraction of signal from the fits of each fold.
        likelihood_gain: mean of log p_data - log p_bg over data events that no fit has seen.
        other: further numbers of a method, by name.
        true_signal_fraction: true fraction of signal in the signal region.
        seconds, cpu_seconds: wall and CPU time of training and scoring [s].
        file_sha256: hashes of ``scores.h5`` and ``curves.h5``; None in files of earlier versions.

    Example:
        >>> run = RunMetrics("anode", 1, auc=0.83, max_sic=10.0, sic_at_fpr={"1e-3": 9.3})
        >>> run.sic_at_fpr["1e-3"], run.quantity("sic_at_fpr.1e-3"), run.quantity("seconds")
        (9.3, 9.3, None)
    """

    method: str
    seed: int
    auc: float | None = None
    auc_error: float | None = None
    max_sic: float | None = None
    max_sic_error: float | None = None
    max_sic_fpr: float | None = None
    sic_at_fpr: dict[str, float | None] | None = None
    sic_at_fpr_error: dict[str, float | None] | None = None
    fpr_floor: float | None = None
    n_test_signal: int | None = None
    n_test_background: int | None = None
    n_data_sr: int | None = None
    n_data_sb: int | None = None
    n_injected_sr: int | None = None
    s_over_b: float | None = None
    s_over_sqrt_b: float | None = None
    n_dropped: int | None = None
    n_copies: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    n_clipped: int | None = None
    n_scored_data: int | None = None
    closure: dict[str, float] | None = None
    sculpting: dict[str, FlatnessTest] = field(default_factory=dict)
    selection: dict[str, dict[str, Spread]] = field(default_factory=dict, repr=False)
    follows: dict[str, float] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    held_out_loss: dict[str, float] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    uses_truth: bool = False
    signal_fraction: float | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    signal_fraction_error: float | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    signal_fraction_by_fold: tuple[float, ...] | None = field(
        default=None, metadata=LEFT_OUT_IF_NONE
    )
    likelihood_gain: float | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    other: dict[str, float] = field(default_factory=dict)
    true_signal_fraction: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    file_sha256: dict[str, str] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    @classmethod
    def read(cls, content: object, place: Place) -> Self:
        """As ``from_json``; numbers under names that are no attribute are the method's own."""
        group = place.group(content)
        own = {f.name for f in dataclasses.fields(cls)}
        other = {name: value for name, value in group.items() if name not in own}
        other = {name: value for name, value in other.items() if _is_number(value)}
        return super().read({**group, "other": other}, place)

    def to_json(self) -> dict[str, Json]:
        """The content of the file; the method's own numbers stand among the others."""
        content: dict[str, Json] = {}
        for name, value in super().to_json().items():
            content |= self.other if name == "other" else {name: value}
        return content

    def with_performance(self, result: Performance) -> Self:
        """The same with what truth labels say of the score."""
        at = {fpr_key(fpr): value or (None, None) for fpr, value in result.sic_at_fpr.items()}
        return dataclasses.replace(
            self,
            auc=result.auc,
            auc_error=result.auc_error,
            max_sic=result.max_sic,
            max_sic_error=result.max_sic_error,
            max_sic_fpr=result.max_sic_fpr,
            sic_at_fpr={name: value for name, (value, _) in at.items()},
            sic_at_fpr_error={name: error for name, (_, error) in at.items()},
            fpr_floor=result.fpr_floor,
            n_test_signal=result.n_signal,
            n_test_background=result.n_background,
        )

    def quantity(self, name: str) -> float | None:
        """The number at a dotted name, such as "sic_at_fpr.1e-3"; None where there is none."""
        return self.quantities.get(name)

    @property
    def quantities(self) -> dict[str, float]:
        """Every number of the file that is known, by its dotted name."""
        return dict(_numbers(self.to_json(), ""))


def _numbers(group: Mapping[str, Json], above: str) -> Iterator[tuple[str, float]]:
    for name, value in group.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{above}{name}.")
        elif _is_number(value):
            yield f"{above}{name}", value


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
