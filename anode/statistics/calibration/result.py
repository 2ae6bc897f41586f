"""``calibration.json``: whether p-values of many searches are uniform, and signals are found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from anode.records import LEFT_OUT_IF_NONE, Json, Record, key
from anode.statistics.calibration.injection import InjectionResponse
from anode.statistics.calibration.uniformity import Spread, Uniformity


@dataclass(frozen=True)
class InjectionSummary(Record):
    """Fitted against injected signal at one cut; the same as ``InjectionResponse``, in plain
    numbers, an entry for each amount of injected signal.

    Attributes:
        injected: number of signal events put into the sample, rising.
        n: number of searches.
        z, z_low, z_high: median local Z and its central 68% band.
        bias, bias_error: mean of fitted - true signal events that pass.
        pull_mean, pull_mean_error, pull_std, pull_std_error: mean and standard deviation of
            (fitted - true) / error.
        coverage, coverage_error: fraction of 68% intervals that hold the truth.
        passing: mean number of true signal events that pass.
    """

    injected: tuple[float, ...]
    n: tuple[int, ...]
    z: tuple[float, ...]
    z_low: tuple[float, ...]
    z_high: tuple[float, ...]
    bias: tuple[float, ...]
    bias_error: tuple[float, ...]
    pull_mean: tuple[float, ...]
    pull_mean_error: tuple[float, ...]
    pull_std: tuple[float, ...]
    pull_std_error: tuple[float, ...]
    coverage: tuple[float, ...]
    coverage_error: tuple[float, ...]
    passing: tuple[float, ...]

    @classmethod
    def of(cls, response: InjectionResponse, passing: Sequence[float]) -> Self:
        """The response in plain numbers, and the mean number of signal events that pass."""
        columns = {
            name: np.asarray(values).tolist() for name, values in response._asdict().items()
        }
        return cls.from_json({**columns, "passing": list(passing)}, "calibration.json")


@dataclass(frozen=True)
class Calibration(Record):
    """The content of ``calibration.json``.

    Attributes:
        overrides: settings of the searches.
        source: source of the samples, "pseudo" for independent pseudo-experiments, or "file" for
            draws from the events of one file, which share events.
        n_events: mean number of background events in a sample; None in files that do not say.
        settings: ``settings_key`` of the searches; None in files that do not say.
        n_experiments: number of searches of each amount of injected signal.
        injections: numbers of signal events put into the samples.
        p_global: uniformity of the global p-values, one a search without signal, key ``global``;
            None with fewer than two.
        p_local: test of a window ("0.1", its efficiency) -> uniformity of its local p-values in
            disjoint windows, as the searches report them, key ``local``.
        z_global, z_local: mean and standard deviation of the Z of the same p-values.
        injection: efficiency -> response to injected signal, by amount; None without any.
        window: edges of the window that signal was looked for in [GeV].
        cpu_seconds: mean CPU time of a search [s].
    """

    overrides: tuple[str, ...]
    n_experiments: int
    injections: tuple[int, ...]
    source: str = field(default="file", kw_only=True)
    n_events: float | None = field(default=None, metadata=LEFT_OUT_IF_NONE, kw_only=True)
    settings: str | None = field(default=None, metadata=LEFT_OUT_IF_NONE, kw_only=True)
    p_global: Uniformity | None = field(default=None, metadata=LEFT_OUT_IF_NONE | key("global"))
    p_local: dict[str, Uniformity] | None = field(
        default=None, metadata=LEFT_OUT_IF_NONE | key("local")
    )
    z_global: Spread | None = field(default=None, metadata=LEFT_OUT_IF_NONE, kw_only=True)
    z_local: dict[str, Spread] | None = field(
        default=None, metadata=LEFT_OUT_IF_NONE, kw_only=True
    )
    injection: dict[str, InjectionSummary] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    window: tuple[float, float] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    cpu_seconds: float | None = field(default=None, metadata=LEFT_OUT_IF_NONE, kw_only=True)

    def to_json(self) -> dict[str, Json]:
        """The content of the file; it has the numbers of the global p-values at its top, too."""
        content = super().to_json()
        after = {name: content.pop(name) for name in ("injection", "window") if name in content}
        if self.p_global is not None:
            for level, fraction in self.p_global.fraction_below.items():
                content[f"fraction_below_{level}"] = fraction
                content[f"error_{level}"] = self.p_global.error[level]
            content |= {"ks_p_value": self.p_global.ks_p_value, "n": self.p_global.n}
        return content | after
