"""A search over mass windows, in memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anode.api.events import Events
from anode.api.folder import PrivateFolder
from anode.api.model import Model
from anode.api.saving import EVENTS, keep_events
from anode.api.settings import content_of
from anode.configuration.command import quiet
from anode.events.writers.column_files import data_settings
from anode.parallel import lent_process
from anode.pipeline.search.config import search_from_mapping
from anode.pipeline.search.report import read_search, write_report
from anode.pipeline.search.search import find
from anode.statistics.scan.search_result import SearchResult

Settings = Mapping[str, Any]


def search(
    events: Events,
    method: Model | type[Model] | str = "anode",
    *,
    start: float | None = None,
    stop: float | None = None,
    width: float | None = None,
    step: float | None = None,
    sideband: float | None = None,
    min_events: int | None = None,
    efficiencies: Sequence[float] | None = None,
    template: Settings | None = None,
    spectrum: Settings | None = None,
    n_toys: int | None = None,
    extras: bool | None = None,
    overdispersion: Settings | None = None,
    save: Path | str | None = None,
    **settings: Any,
) -> SearchResult:
    """Look for an excess in every mass window, without a label, and say how rare the largest is.

    Windows slide over the mass. In each a method is fitted, three cuts are fixed on background,
    and the spectrum of the events that pass, outside the window, predicts how many pass inside.
    Toys of the whole scan turn the largest local significance into a global one. What is left out
    has the value of ``configs/search.yaml``.

    Args:
        events: N events; labels are not looked at.
        method: model, whose settings are taken, fitted or not, but for its regions; one of its
            classes; or a name, as ``method=`` of the commands.
        start: lower edge of the first window [GeV]; by default the first that the fit of the
            spectrum has enough bins below.
        stop: largest upper edge of a window [GeV].
        width: width of a window [GeV]; a multiple of ``spectrum["bin_width"]``, as are start and
            step.
        step: distance from window to window [GeV].
        sideband: width of the sidebands on either side [GeV].
        min_events: number of events in a window for it to be searched.
        efficiencies: fractions of background at the cuts, descending.
        template: background on which cuts are fixed: ``{"source": ..., "n_events": ...}``.
        spectrum: fit outside a window: ``{"low": ..., "high": ..., "bin_width": ...}``.
        n_toys: number of toys of the whole scan, at least 100.
        extras: True to set limits, fit a resonance and run pyBumpHunter.
        overdispersion: measurement of how much more counts spread than Poisson counts:
            ``{"n_experiments": ..., "n_events": ..., "path": ...}``; 0 experiments: none.
        save: folder to keep, with ``search.json``, the fits, and the report; an interrupted
            search goes on there. None: nothing is kept.
        **settings: further keywords of ``Model``, such as ``seed`` and ``n_jobs`` (windows side by
            side; above 1 a script needs ``if __name__ == "__main__":``).

    Returns:
        What stands in ``search.json``: ``best.z_global``, ``best.mass`` [GeV], ``windows``, ...

    Raises:
        ConfigError: a setting is unknown or impossible; windows off the grid of the spectrum.
        DataError: no window has enough events, or the spectrum cannot be fitted.

    Example:
        >>> from anode import Events, IsolationForest, search
        >>> events = Events.toy(8000, 0)
        >>> forest = IsolationForest(folds=2, trees=10, max_samples=64, seed=1)
        >>> scan = {"start": 3300, "stop": 3900, "width": 200, "step": 200}
        >>> quick = {"efficiencies": [0.1], "n_toys": 100, "extras": False}
        >>> quick |= {"overdispersion": {"n_experiments": 0}, "spectrum": {"low": 3000}}
        >>> result = search(events, forest, **scan, **quick)
        >>> len(result.at(0.1)), result.best.mass in (3400, 3600, 3800)
        (3, True)
        >>> result.best.z_global < 4
        True
    """
    name, given = _of_method(method)
    given |= settings
    features = given.pop("features", events.names)
    keys = {
        "scan.start": start,
        "scan.stop": stop,
        "scan.width": width,
        "scan.step": step,
        "scan.sideband": sideband,
        "scan.min_events": min_events,
        "efficiencies": efficiencies,
        "template": template,
        "spectrum": spectrum,
        "n_toys": n_toys,
        "extras": extras,
        "overdispersion": overdispersion,
    }
    content = content_of("search", name, given, {k: v for k, v in keys.items() if v is not None})
    private = PrivateFolder()
    folder = private.path if save is None else Path(save)
    content["data"] = data_settings(
        folder / EVENTS, features, labelled=False, max_copies=content["data"]["max_copies"]
    )
    content |= {"features": list(features), "run_dir": str(folder)}
    config = search_from_mapping(content)
    keep_events(folder / EVENTS, events.with_features(features).without_label())
    with lent_process(), quiet():
        find(config)
        if save is not None:
            write_report(folder)
    return read_search(folder)


def _of_method(method: Model | type[Model] | str) -> tuple[str, dict[str, Any]]:
    """Its name, and settings but for the regions, which every window has of its own."""
    if not isinstance(method, Model):
        method = Model(method=method) if isinstance(method, str) else method()
    given = method.given
    return method.method, {k: v for k, v in given.items() if k not in ("signal", "sidebands")}
