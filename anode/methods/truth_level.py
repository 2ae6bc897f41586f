"""Methods that use the truth: upper limits for searches, to compare with, not to search with.

The idealised anomaly detector knows background perfectly: a classifier between the data and
background of the same kind (2109.00546, sec. 3.4). The supervised one knows the signal too. Both
take their truth from simulated events outside the data sample, never from the data's own labels.
"""

from anode.classifiers.job import SMALLEST_SAMPLE
from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods.base import RegionEvents
from anode.methods.classifier_method import TwoSampleMethod, TwoSamples


class Idealised(TwoSampleMethod):
    """Data against simulated background of the signal region."""

    title = "idealised AD"
    fits_density = False
    uses_truth = True
    needs_sidebands = False

    def samples(self, events: RegionEvents, name: str) -> TwoSamples:
        """Data, against simulated background.

        Raises:
            DataError: too few simulated events.
        """
        return _two_samples(events.signal_region, _simulated(events, 0))


class Supervised(TwoSampleMethod):
    """Simulated signal against simulated background of the signal region."""

    title = "supervised"
    fits_density = False
    uses_truth = True
    needs_sidebands = False

    def samples(self, events: RegionEvents, name: str) -> TwoSamples:
        """Simulated signal, against simulated background.

        Raises:
            DataError: too few simulated events.
        """
        return _two_samples(_simulated(events, 1), _simulated(events, 0))


def _two_samples(positive: EventTable, negative: EventTable) -> TwoSamples:
    return TwoSamples(
        positive.features,
        negative.features,
        positive_identity=positive.identity,
        negative_identity=negative.identity,
    )


def _simulated(events: RegionEvents, label: int) -> EventTable:
    """The simulated events of one class."""
    simulation = events.simulation
    assert simulation is not None  # AnomalyMethod.fit has checked
    assert simulation.label is not None  # RegionEvents promises it
    chosen = simulation[simulation.label == label]
    if len(chosen) < SMALLEST_SAMPLE:
        kind = ("background", "signal")[label]
        raise DataError(
            f"{simulation.source}: a method that uses truth needs {kind} of the signal region "
            f"outside the data sample, got {len(chosen)} events; lower injection.n_{kind}, or "
            "give data.extra"
        )
    return chosen
