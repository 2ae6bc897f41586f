"""A method that sees its events dequantised: values that many share are spread before any fit."""

from pathlib import Path

from anode.events.table import EventTable, concatenate
from anode.io import write_json
from anode.methods.base import AnomalyMethod, FitSettings, RegionEvents
from anode.methods.wrappers.wrapper import Wrapper
from anode.regions.dequantise import Spikes

SPIKES = "spikes.json"


class Dequantised(Wrapper):
    """Another method, in the same folder, whose events ``seen`` has spread.

    The spikes are those of the data sample, signal region and sidebands together, so that all
    densities are of one variable; which values are shared is a property of the features, and the
    folds may know it. They are kept in ``spikes.json``. What is drawn from p_bg, and its density,
    are of the spread variable.

    Args:
        directory: folder of the fits.
        settings: settings of the fits.
        inner: method in that folder.
    """

    def __init__(self, directory: Path, settings: FitSettings, inner: AnomalyMethod) -> None:
        super().__init__(directory, settings, inner)
        self._spikes: Spikes | None = None

    def seen(self, events: EventTable) -> EventTable:
        """The same events (N,) with spikes spread; what has been spread stays as it is."""
        if self._spikes is None:
            self._spikes = Spikes.load(self.directory / SPIKES)
        return self._spikes.spread(events, self.settings.seed)

    def _fit(self, events: RegionEvents) -> None:
        data = concatenate([events.signal_region, events.sidebands])
        self._spikes = Spikes.of(data)
        write_json(self.directory / SPIKES, self._spikes.to_json(), sealed=True)
        self._fit_inner(events)
