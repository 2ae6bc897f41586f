"""CATHODE and LaCATHODE: classifiers of the data against draws of the interpolated background.

CATHODE draws events x ~ p_bg(x|m) at masses of the signal region and trains a classifier between
the data and them (Hallin et al. 2109.00546). LaCATHODE maps the data to the latent space of p_bg
instead, where background is a standard normal at every mass, and trains against draws of that
(Hallin et al. 2210.14924): its score does not depend on the mass through the features.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from anode.density.physical import PhysicalDensity
from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import FitSettings, MethodConfig, RegionEvents
from anode.methods.classifier_method import TwoSampleMethod, TwoSamples
from anode.methods.density_fits import BACKGROUND, DensityFits
from anode.regions.mass import sample_masses
from anode.seeding import stream, stream_seed
from anode.training.evaluate import latent_all


@dataclass(frozen=True)
class LaCathodeConfig(MethodConfig):
    """Settings of LaCATHODE; CATHODE adds its own.

    Attributes:
        oversampling: number of background events drawn for every data event.
    """

    oversampling: float

    def __post_init__(self) -> None:
        if not self.oversampling > 0:
            raise ConfigError(f"method.oversampling must be above 0, got {self.oversampling}")


@dataclass(frozen=True)
class CathodeConfig(LaCathodeConfig):
    """Settings of CATHODE.

    Attributes:
        mass_bandwidth: bandwidth of the kernel density estimate of m_jj in the signal region
            [GeV].
    """

    mass_bandwidth: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.mass_bandwidth > 0:
            raise ConfigError(f"method.mass_bandwidth must be above 0, got {self.mass_bandwidth}")


class _WithBackground(TwoSampleMethod):
    """A classifier whose negative sample comes from p_bg."""

    share_of_background = 0.6
    config: LaCathodeConfig

    def __init__(self, directory: Path, settings: FitSettings, config: LaCathodeConfig) -> None:
        super().__init__(directory, settings, config)
        self.fits = DensityFits(directory, settings)

    def prepare(self, events: RegionEvents) -> None:
        """Fit p_bg(x|m)."""
        self.fits.fit_background(events.sidebands)

    def background_density(self) -> PhysicalDensity:
        """p_bg(x|m), averaged over epochs."""
        return self.fits.load(BACKGROUND)

    @property
    def background_fits(self) -> dict[str, Path]:
        """Folders of the fits of p_bg, by their names."""
        return self.fits.background

    def _n_drawn(self, events: RegionEvents) -> int:
        return max(2, round(self.config.oversampling * len(events.signal_region)))


class Cathode(_WithBackground):
    """CATHODE; ``AnomalyMethod`` documents its methods."""

    title = "CATHODE"
    config: CathodeConfig

    def samples(self, events: RegionEvents, name: str) -> TwoSamples:
        """Data of the signal region, against x ~ p_bg(x|m) at m from a kernel density estimate."""
        seed, region = self.settings.seed, events.signal_region
        masses = sample_masses(
            region.mass,
            self._n_drawn(events),
            bandwidth=self.config.mass_bandwidth,
            rng=stream(seed, name, "masses"),
        )
        drawn = self.background_density().generate(masses, stream_seed(seed, name, "events"))
        return TwoSamples(region.features, drawn, positive_identity=region.identity)


class LaCathode(_WithBackground):
    """LaCATHODE; ``AnomalyMethod`` documents its methods."""

    title = "LaCATHODE"
    interpolates = True

    def samples(self, events: RegionEvents, name: str) -> TwoSamples:
        """Latent data of the signal region, against a standard normal."""
        region = events.signal_region
        latent = self.represent(region)
        shape = (self._n_drawn(events), latent.shape[1])
        normal = stream(self.settings.seed, name, "normal").normal(size=shape)
        return TwoSamples(latent, normal, positive_identity=region.identity)

    def represent(self, events: EventTable) -> np.ndarray:
        """(N, D) latent values under p_bg, whose epochs are averaged exactly."""
        (latent,) = latent_all(
            [self.fits.evaluate_job(BACKGROUND, events)],
            n_jobs=self.settings.n_jobs,
            threads=self.settings.threads,
        )
        return latent

    def was_clipped(self, events: EventTable) -> np.ndarray:
        """(N,) True for events that were moved to the edge of the range p_bg was fitted in."""
        features = torch.as_tensor(events.features)
        return self.background_density().preprocessing.outside(features).numpy()
