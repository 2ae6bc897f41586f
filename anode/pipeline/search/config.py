"""Configuration of a search: that of a run, and the windows that slide over the mass."""

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from anode import io
from anode.configuration.builder import as_saved, build, read_saved, resolve
from anode.errors import ConfigError
from anode.methods.base import MethodConfig
from anode.methods.build import METHODS
from anode.methods.combination import CombinationConfig
from anode.pipeline.runs.config import CHOICES, RunConfig, from_mapping
from anode.records import Json
from anode.regions.scan_config import ScanConfig
from anode.regions.windows import RegionsConfig, Window
from anode.statistics.counting.overdispersion import NOT_MEASURED, OverdispersionConfig
from anode.statistics.scan.spectrum_config import Conclusion, SpectrumConfig
from anode.statistics.scan.working_points import MIN_PASSING, n_passing

SHARED = "shared_fits"
"""Folder of p_bg of several windows while these are made, in a search without a store."""
TEMPLATES = ("auto", "sampled", "sidebands")


@dataclass(frozen=True)
class TemplateConfig:
    """Background on which the cuts are fixed.

    Attributes:
        source: source of the background: "sampled" from p_bg at masses of the window; "sidebands",
            their events within a window's width of the window; "auto", sampled where the method
            has p_bg.
        n_events: number of events sampled in each window.
    """

    source: str
    n_events: int

    def __post_init__(self) -> None:
        if self.source not in TEMPLATES:
            raise ConfigError(
                f"template.source must be one of {', '.join(TEMPLATES)}, got {self.source!r}"
            )
        if self.n_events < 100:
            raise ConfigError(f"template.n_events must be at least 100, got {self.n_events}")


@dataclass(frozen=True)
class SearchConfig:
    """Everything a search is made of; keys as in ``configs/search.yaml``.

    Attributes:
        run: configuration of each window's run, but for its regions and folder.
        scan: windows of the scan.
        efficiencies: fractions of background at the cuts, descending.
        template: background on which the cuts are fixed.
        spectrum: settings of the fit outside the window.
        n_toys: number of toys of the whole scan.
        extras: True for upper limits, a fitted resonance and pyBumpHunter too, which decide
            nothing.
        overdispersion: measurement of how much more counts spread than Poisson counts.
        propose: True to say only which windows the spectrum allows.
    """

    run: RunConfig
    scan: ScanConfig
    efficiencies: list[float]
    template: TemplateConfig
    spectrum: SpectrumConfig
    n_toys: int
    extras: bool = True
    propose: bool = False
    overdispersion: OverdispersionConfig = NOT_MEASURED  # unknown to former versions

    def __post_init__(self) -> None:
        cuts = self.efficiencies
        if not cuts or not all(0 < e < 1 for e in cuts) or sorted(set(cuts), reverse=True) != cuts:
            raise ConfigError(f"efficiencies must descend within (0, 1), got {cuts}")
        given = self.spectrum.efficiency
        if given is not None and len(given) != len(cuts):
            raise ConfigError(f"spectrum.efficiency needs one for each of {cuts}, got {given}")
        self._check_template()
        if self.n_toys < 100:
            raise ConfigError(f"n_toys must be at least 100, got {self.n_toys}")
        truthful = [name for name in _names(self.run.method) if METHODS[name].method.uses_truth]
        if truthful:
            raise ConfigError(
                f"method={' and '.join(truthful)} uses truth labels and cannot search; choose "
                "another method"
            )
        if self.run.split.mode != "kfold":
            raise ConfigError(
                "a search counts every event of a window, so each must be scored by a fit that "
                f"has not seen it: split=kfold, got split={self.run.split.mode}"
            )
        for key, value in (("start", self.scan.start), ("width", self.scan.width),
                           ("step", self.scan.step)):  # fmt: skip
            if value is not None and value % self.spectrum.bin_width:
                raise ConfigError(
                    f"scan.{key}={value:g} must be a multiple of spectrum.bin_width="
                    f"{self.spectrum.bin_width:g} GeV, so that window edges are bin edges"
                )

    def _check_template(self) -> None:
        """A sampled template must fix every cut."""
        tightest, n_events = min(self.efficiencies), self.template.n_events
        if self.template.source == "sampled" and n_passing(n_events, tightest) < MIN_PASSING:
            raise ConfigError(
                f"a cut at {tightest:g} needs {MIN_PASSING} events of the template beyond it, but "
                f"template.n_events={n_events} has fewer; raise it or leave out this efficiency"
            )

    def of_window(self, window: Window) -> RunConfig:
        """The run of one window: it is the signal region, and the sidebands are beside it; beside
        its whole group if these share p_bg."""
        group = self.group(window)
        width, low, high = self.scan.sideband, group[0].low, group[-1].high
        below = [None if width is None else low - width, low]
        above = [high, None if width is None else high + width]
        folder, store = Path(self.run.run_dir), self.run.store
        if store is None and len(group) > 1:
            store = str(folder / SHARED)
        return dataclasses.replace(
            self.run,
            run_dir=str(window_dir(folder, window)),
            store=store,
            regions=RegionsConfig([window.low, window.high], [below, above]),
        )

    def group(self, window: Window) -> list[Window]:
        """The windows that share p_bg with one, if it is all that the method fits beside them."""
        names = set(_names(self.run.method)) - {"combination"}
        interpolates = all(METHODS[name].method.interpolates for name in names)
        return self.scan.group(window) if interpolates else [window]

    @property
    def identity(self) -> dict[str, Json]:
        """The nested configuration of the windows, without what cannot change them."""
        content = dataclasses.asdict(self)
        content["scan"].pop("window")
        for key in ("propose", *(f.name for f in dataclasses.fields(self.conclusion))):
            content.pop(key, None)
        content["run"] = self.run.identity
        del content["run"]["regions"]
        return content

    @property
    def conclusion(self) -> Conclusion:
        """Settings with which finished windows are put together."""
        return Conclusion(self.spectrum, self.n_toys, self.extras, self.overdispersion)

    def to_yaml(self) -> str:
        """As YAML, ready for ``load_search``."""
        content = dataclasses.asdict(self)
        return as_saved({**content.pop("run"), **content})


def window_dir(search_dir: Path, window: Window) -> Path:
    """The folder of one window's run."""
    return search_dir / "windows" / f"{window.low:g}_{window.high:g}"


def _names(method: MethodConfig) -> list[str]:
    """Of a method and its members."""
    members = method.members.values() if isinstance(method, CombinationConfig) else ()
    return [method.name, *(name for member in members for name in _names(member))]


_OWN = tuple(f.name for f in dataclasses.fields(SearchConfig) if f.name != "run")


def parse_search(raw: DictConfig) -> SearchConfig:
    """Check Hydra's configuration of a search and make it a ``SearchConfig``.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    content = resolve(raw)
    if HydraConfig.initialized():
        content["run_dir"] = HydraConfig.get().runtime.output_dir
    return search_from_mapping(content)


def search_from_mapping(content: Mapping[str, Any]) -> SearchConfig:
    """A ``SearchConfig`` from plain nested mappings, such as a saved ``config.yaml``."""
    run = from_mapping({k: v for k, v in content.items() if k not in _OWN})
    own = {k: v for k, v in content.items() if k in _OWN}
    return build(SearchConfig, {**own, "run": dataclasses.asdict(run)}, choices=CHOICES)


def load_search(path: Path) -> SearchConfig:
    """The ``SearchConfig`` saved as ``config.yaml``.

    Raises:
        ConfigError: there is no such file, or it is not a search's configuration.
        RunDirectoryError: it is not as it was written.
    """
    if not path.is_file():
        raise ConfigError(f"there is no {path}; is this the folder of a search?")
    return search_from_mapping(read_saved(path))


NO_SETTINGS = {
    "run": ("seed", "device", "data", "injection", "evaluation"),
    "scan": ("start", "stop", "step", "share", "min_events"),
    "spectrum": ("low", "high"),
}
"""Keys that say what is searched and where, not how."""


def settings_key(config: SearchConfig) -> str:
    """Hash of how events are searched: searches of one key differ in their events, seed and choice
    of windows alone, so that a calibration of one holds for the other.

    It depends on the method, densities, recipe, ensemble, split, preprocessing, features, width of
    windows and sidebands, efficiencies, template, fit of the spectrum, and whether counts spread
    more than Poisson's; not on toys and extras.
    """
    content = {**config.identity, "spectrum": dataclasses.asdict(config.spectrum)}
    spread = config.overdispersion
    content["overdispersion"] = spread.n_experiments > 0 or spread.path is not None
    for group, keys in NO_SETTINGS.items():
        settings = dict(typing.cast(dict[str, Json], content[group]))
        content[group] = {k: v for k, v in settings.items() if k not in keys}
    return io.sha256_text(json.dumps(content, sort_keys=True))[:16]
