"""Jets that classifiers learn from and are tested on: inputs, momenta and collisions."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io, progress
from anode.errors import DataError
from anode.evaluation.dark_sector.event_split import collision_of, is_tested
from anode.events.dark_sector.features import constituent_inputs, jet_features
from anode.events.dark_sector.jets_file import DarkJets, read_jets
from anode.events.dark_sector.names import SignalPoint, dark_sector_files
from anode.pipeline.studies.dark_classifiers.config import JET_PT, SamplesConfig


class JetSample(NamedTuple):
    """N jets of one class of one file; no truth is kept.

    Attributes:
        source: name of the file.
        digest: SHA-256 of the file.
        constituents: (N, 100) inputs of networks, constituent by constituent, float32.
        features: (N, D) features of boosted trees.
        pt: (N,) transverse momentum [GeV].
        collision: (N,) uint64 identity of the collision.
    """

    source: str
    digest: str
    constituents: np.ndarray
    features: np.ndarray
    pt: np.ndarray
    collision: np.ndarray

    def inputs(self, columns: Sequence[int] | None) -> np.ndarray:
        """(N, ...) columns of the features; None for the constituents."""
        return self.constituents if columns is None else self.features[:, list(columns)]

    def where(self, chosen: np.ndarray) -> "JetSample":
        """Some of the jets, by a mask (N,)."""
        return JetSample(self.source, self.digest, *(values[chosen] for values in self[2:]))


class Samples(NamedTuple):
    """All jets of a folder.

    Attributes:
        signals: dark jets of each signal, in the order of its parameters.
        standard_model: all jets of the Standard Model.
        names: name of each feature column.
    """

    signals: dict[SignalPoint, JetSample]
    standard_model: JetSample
    names: tuple[str, ...]

    def split(self, seed: int, share: float) -> tuple["Samples", "Samples"]:
        """Jets to fit and jets to test, by collision."""
        halves = []
        for wanted in (False, True):
            signals, standard_model = (
                {point: _side(jets, seed, share, wanted) for point, jets in self.signals.items()},
                _side(self.standard_model, seed, share, wanted),
            )
            halves.append(Samples(signals, standard_model, self.names))
        return halves[0], halves[1]

    def columns(self, names: Sequence[str]) -> list[int] | None:
        """Places of features; None for none, which stands for the constituents."""
        return [self.names.index(name) for name in names] if names else None


def read_samples(config: SamplesConfig, *, more: Sequence[str] = ()) -> Samples:
    """Read a folder: dark jets of the signal files, all jets of ``NominalSM.h5``.

    Args:
        config: where they are, and their features.
        more: names of further features that are read.

    Raises:
        DataError: a file cannot be read, has no dark jets or does not say which jets are of one
            collision, or there are not both a signal and the Standard Model.
    """
    paths = dark_sector_files(Path(config.data.path))
    names = tuple(dict.fromkeys([JET_PT, *config.features, *more]))
    signals: dict[SignalPoint, JetSample] = {}
    standard_model = None
    with progress.task("read", total=len(paths), unit="files") as files_read:
        for path in paths:
            jets = read_jets(path)
            sample = _sample(path, jets, names, config.jets_per_event)
            if jets.point is None:
                standard_model = sample
            else:
                signals[jets.point] = sample.where(jets.is_dark)
                if not jets.is_dark.any():
                    raise DataError(
                        f"{path}: a signal needs dark jets to learn from, but jet_is_dark is "
                        "false everywhere; write the file again, or move it elsewhere"
                    )
            files_read.update()
    if standard_model is None or not signals:
        raise DataError(
            f"{config.data.path}: classifiers need at least one AutomatedCMS_*.h5 and "
            f"NominalSM.h5, got {', '.join(path.name for path in paths)}; add what is missing"
        )
    return Samples(signals, standard_model, names)


def _sample(
    path: Path, jets: DarkJets, names: tuple[str, ...], jets_per_event: int | None
) -> JetSample:
    return JetSample(
        path.name,
        io.sha256_file(path),
        constituent_inputs(jets).reshape(jets.n_jets, -1).astype(np.float32),
        jet_features(jets, names),
        jets.columns[JET_PT],
        collision_of(jets, jets_per_event),
    )


def _side(jets: JetSample, seed: int, share: float, wanted: bool) -> JetSample:
    return jets.where(is_tested(jets.collision, seed, share) == wanted)
