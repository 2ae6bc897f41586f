"""Pseudo-experiments: independent events of a known truth that looks like the data.

The truth is made once of the background of a file: masses from a di-jet function of five
parameters, fitted to the inclusive spectrum above the turn-on, and features from one density
p(x|m), fitted to the events of all masses. No event of the file is drawn, so that experiments
share none, and there are as many as wanted. Signal events are those of the file, by its labels.
"""

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io
from anode.density.ensemble import EnsembleConfig
from anode.density.physical import PhysicalDensity
from anode.errors import ConfigError, DataError
from anode.events.rules import of_features
from anode.events.table import EventTable, concatenate
from anode.events.writers.column_files import read_events, write_events
from anode.methods.base import FitSettings
from anode.methods.density_fits import BACKGROUND, DensityFits
from anode.pipeline.search.conclude import fit_edges
from anode.pipeline.search.config import SearchConfig
from anode.pipeline.search.search import sample_of
from anode.records import Record
from anode.regions.distortion import NONE
from anode.regions.injection import InjectionConfig
from anode.seeding import stream, stream_seed
from anode.statistics.fits.dijet_fit import fit_spectrum, make_spectrum
from anode.statistics.fits.dijet_function import columns
from anode.training.densities import load_density
from anode.training.store import content_hash

log = logging.getLogger(__name__)

N_PARAMETERS = 5
GRID = 1.0  # GeV, within which the function is taken as constant
POOR_FIT = 0.01
ATTEMPTS = 20
TRUTH, SIGNAL = "truth.json", "signal.h5"


@dataclass(frozen=True)
class Truth(Record):
    """Background that pseudo-experiments are drawn from; the content of ``truth.json``.

    Attributes:
        low, high: range of the masses [GeV].
        parameters: (5,) coefficients of ln f = sum_k theta_k g_k(m), ``dijet_function.columns``.
        p_value: goodness of the fit to the spectrum; None where it cannot be judged.
        n_events: number of background events of the file in this range.
        names: D features.
        units: D units.
        source: name of the file.
    """

    low: float
    high: float
    parameters: tuple[float, ...]
    p_value: float | None
    n_events: int
    names: tuple[str, ...]
    units: tuple[str, ...]
    source: str

    def expected(self, edges: np.ndarray, n: float) -> np.ndarray:
        """(B,) events expected in bins (B+1,) [GeV] of one width, n in all."""
        density = np.exp(columns(edges, N_PARAMETERS) @ np.array(self.parameters))
        return np.asarray(n * density / density.sum())

    def masses(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) independent masses [GeV], distributed as f between ``low`` and ``high``."""
        edges = np.linspace(self.low, self.high, round((self.high - self.low) / GRID) + 1)
        log_f = columns(edges, N_PARAMETERS) @ np.array(self.parameters)
        sums = np.concatenate([[0.0], np.cumsum(np.exp(log_f - log_f.max()))])
        drawn = np.interp(rng.uniform(size=n), sums / sums[-1], edges)
        return np.minimum(drawn, np.nextafter(self.high, self.low))


class Shift(NamedTuple):
    """Masses of signal events are multiplied by ``there / here``, both in GeV."""

    here: float
    there: float


@dataclass(frozen=True)
class PseudoExperiments:
    """A truth that is ready to be drawn from.

    Attributes:
        truth: spectrum and names.
        density: p(x|m) of the background.
        signal: labelled signal of the file; None without any.
    """

    truth: Truth
    density: PhysicalDensity
    signal: EventTable | None

    def pseudo_events(self, n: int, seed: int) -> EventTable:
        """n new background events, ids from 0 on, labelled 0: m ~ f(m), x ~ p(x|m), drawn again
        where they are impossible (``events.rules``), as some of a million are.

        Raises:
            DataError: impossible ones are left after many draws.
        """
        mass = self.truth.masses(n, stream(seed, "pseudo-events", "masses"))
        features, wrong = np.empty((n, len(self.truth.names))), np.arange(n)
        for attempt in range(ATTEMPTS):
            own = stream_seed(seed, "pseudo-events", "features", attempt)
            features[wrong] = self.density.generate(mass[wrong], own)
            wrong = wrong[_impossible(mass[wrong], features[wrong], self.truth.names)]
            if not len(wrong):
                break
        else:
            raise DataError(
                f"pseudo-events must obey the rules of jets, but {len(wrong)} of {n} do not "
                f"after {ATTEMPTS} draws; is the density of {self.truth.source} any good?"
            )
        label = np.zeros(n, dtype=np.int8)
        names, units = self.truth.names, self.truth.units
        return EventTable(np.arange(n), mass, features, names, units, label, "pseudo-events")

    def injected(
        self, n: int, seed: int, *, shift: Shift | None = None, id_offset: int = 0
    ) -> EventTable:
        """n different signal events of the file, drawn at random, labelled 1.

        Args:
            n: number of events, at any mass.
            seed: seed of the draw.
            shift: scaling of their masses; None leaves them as they are.
            id_offset: id of the first.

        Raises:
            DataError: there are fewer, or no labels say which they are.
        """
        there = 0 if self.signal is None else len(self.signal)
        if self.signal is None or n > there:
            raise DataError(
                f"{self.truth.source}: {n} signal events are to be injected, but {there} are "
                "labelled as such; inject fewer, or give a file with labelled signal"
            )
        chosen = self.signal[stream(seed, "pseudo-events", "signal").permutation(there)[:n]]
        factor = 1.0 if shift is None else shift.there / shift.here
        ids, label = id_offset + np.arange(n), np.ones(n, dtype=np.int8)
        return dataclasses.replace(chosen, event_id=ids, mass=factor * chosen.mass, label=label)

    def experiment(
        self, n_background: int, n_signal: int, seed: int, *, shift: Shift | None = None
    ) -> EventTable:
        """Background and signal together, labelled; see ``pseudo_events`` and ``injected``."""
        events = self.pseudo_events(n_background, seed)
        if not n_signal:
            return events
        signal = self.injected(n_signal, seed, shift=shift, id_offset=n_background)
        return concatenate([events, signal], events.source)


def _impossible(mass: np.ndarray, features: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(N,) which events break a rule for features that are known by name."""
    wrong = np.zeros(len(mass), dtype=bool)
    for violation in of_features(mass, dict(zip(names, features.T, strict=True))):
        wrong |= violation.bad
    return wrong


def make_truth(config: SearchConfig, folder: Path) -> Path:
    """Make the truth of a file, unless it is there; its folder, below ``folder``, named by
    content: an interrupted fit goes on, and other events or settings have another one.

    Args:
        config: search of the file; its density, recipe and spectrum describe the truth.
        folder: folder of all truths.

    Raises:
        ConfigError, DataError: the file cannot be read, or its spectrum not be fitted.
    """
    background, signal = _file_events(config)
    truth, settings = _fit(config, background), _fit_settings(config)
    (job,) = DensityFits(folder, settings).jobs(BACKGROUND, background)
    content = [content_hash(job), truth.to_json(), [] if signal is None else signal.mass.tolist()]
    path = folder / io.sha256_text(json.dumps(content))[:16]
    if (path / TRUTH).is_file():
        return path
    log.info("pseudo-events: p(x|m) of %d events in %s", len(background), path)
    DensityFits(path, settings).fit_background(background)
    if signal is not None:
        write_events(path / SIGNAL, signal)
    io.write_json(path / TRUTH, truth.to_json())
    return path


def read_truth(path: Path) -> Truth:
    """The content of ``truth.json`` in the folder of a truth.

    Raises:
        DataError: there is none, it is not JSON, or a key is missing or of the wrong kind.
    """
    return Truth.from_json(io.read_json(path / TRUTH), path / TRUTH)


def load_truth(path: Path, ensemble: EnsembleConfig) -> PseudoExperiments:
    """A truth that ``make_truth`` has made, ready to be drawn from.

    Args:
        path: folder of the truth.
        ensemble: choice of the epochs of its density.

    Raises:
        DataError, RunDirectoryError: a file is missing or broken.
    """
    truth = read_truth(path)
    signal = None
    if (path / SIGNAL).is_file():
        signal = read_events(path / SIGNAL, truth.names, truth.units)
    return PseudoExperiments(truth, load_density([path / BACKGROUND], ensemble), signal)


def fit_truth(config: SearchConfig) -> Truth:
    """The spectrum alone of a file's background; arguments and errors as ``make_truth``."""
    return _fit(config, _file_events(config)[0])


def _file_events(config: SearchConfig) -> tuple[EventTable, EventTable | None]:
    """Background and signal of the whole file, without labels; all events are background where
    the truth is unknown."""
    whole = dataclasses.replace(config.run, injection=InjectionConfig(None, None), distortion=NONE)
    events = sample_of(dataclasses.replace(config, run=whole), labelled=True).data
    if events.label is None:
        return events, None
    background, signal = events[events.label == 0], events[events.label == 1]
    return background.without_label(), signal.without_label() if len(signal) else None


def _fit_settings(config: SearchConfig) -> FitSettings:
    run = config.run
    if run.ensemble.seeds != 1:
        raise ConfigError(
            f"pseudo-events need one fit of p(x|m), ensemble.seeds=1, got {run.ensemble.seeds}"
        )
    return FitSettings(
        density=run.density,
        preprocessing=run.preprocessing,
        trainer=run.trainer,
        classifier=None,
        ensemble=run.ensemble,
        split=run.split,
        seed=run.seed,
        n_jobs=run.n_jobs,
        threads=run.threads,
        tracker="none",
        device=run.device,
        store=None if run.store is None else Path(run.store),
    )


def _fit(config: SearchConfig, background: EventTable) -> Truth:
    edges = fit_edges(config, background.mass)
    spectrum = make_spectrum(background.mass, edges)
    fit = fit_spectrum(spectrum, np.ones(len(edges) - 1, dtype=bool), N_PARAMETERS)
    if fit.p_value < POOR_FIT:
        log.warning(
            "the spectrum that pseudo-events follow is no di-jet function: p = %.2g of its fit "
            "from %g GeV on",
            fit.p_value,
            edges[0],
        )
    return Truth(
        low=float(edges[0]),
        high=float(edges[-1]),
        parameters=tuple((fit.transform @ fit.parameters).tolist()),
        p_value=None if np.isnan(fit.p_value) else fit.p_value,
        n_events=int(spectrum.counts.sum()),
        names=background.names,
        units=background.units,
        source=background.source,
    )
