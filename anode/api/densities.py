"""Conditional densities by name, and their fit to arrays."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from anode.api.folder import PrivateFolder
from anode.api.settings import content_of
from anode.configuration.builder import build
from anode.density.base import ConditionalDensity, DensityConfig
from anode.density.build import build_density
from anode.density.ensemble import Ensemble, EnsembleConfig
from anode.density.physical import PhysicalDensity
from anode.errors import ConfigError, DataError
from anode.parallel import lent_process, prepare_process
from anode.pipeline.runs.config import CHOICES, from_mapping
from anode.regions.preprocessing import ContextScaling, Preprocessing
from anode.seeding import stream, stream_seed
from anode.training.checkpoints import FitResult, load_tensors
from anode.training.loop import fit as fit_in_folder
from anode.training.state import Fit, Sample

Settings = Mapping[str, Any]


class FittedDensity:
    r"""p(x|m) per unit of the physical features x, given a mass m [GeV], on arrays.

        log p(x|m) = log p_z(z(x)|m) + log |det dz/dx|,      z: the preprocessing of the fit

    What ``fit`` returns, and ``Model.background``.

    Args:
        density: density with its preprocessing.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> m = rng.uniform(3000, 4000, 500)
        >>> x = rng.normal(m[:, None] / 1000, 1, (500, 2))
        >>> maf = make_density("maf", n_features=2, n_transforms=2, hidden_features=8)
        >>> density = fit(maf, x, m, epochs=2, ensemble=2, logit=False).density
        >>> density.log_prob(x, m).shape, density.sample(m[:3], seed=1).shape
        ((500,), (3, 2))
    """

    def __init__(self, density: PhysicalDensity) -> None:
        self._density = density

    def log_prob(self, x: ArrayLike, m: ArrayLike) -> NDArray[np.float64]:
        """log p(x|m), natural logarithm: (N, D), (N,) [GeV] -> (N,).

        Raises:
            DataError: a shape differs, or a value is not finite.
        """
        return self._density.evaluate(*_checked(x, m, self._density.density.n_features))

    def latent(self, x: ArrayLike, m: ArrayLike) -> NDArray[np.float64]:
        """T(x; m), standard normal in D dimensions at every mass if x ~ p(x|m): (N, D), (N,) [GeV]
        -> (N, D).

        Raises:
            DataError: as ``log_prob``.
        """
        return self._density.to_latent(*_checked(x, m, self._density.density.n_features))

    def sample(self, m: ArrayLike, *, seed: int) -> NDArray[np.float64]:
        """One event x ~ p(x|m) for every mass: (N,) [GeV] -> (N, D).

        Raises:
            DataError: a mass is not finite, or they are no list.
        """
        return self._density.generate(_checked_mass(m), seed)

    def __repr__(self) -> str:
        return f"FittedDensity({self._density.density.n_features} features, given the mass)"


class DensityFit(NamedTuple):
    """A density, and how it came to be.

    Attributes:
        density: density averaged over the last or best epochs, as ``ensemble`` says.
        train_loss: (epochs,) mean -log p of the training events while weights moved, in the space
            of the preprocessing.
        validation_loss: (epochs,) mean -log p of the validation events after each epoch, in the
            same space.
    """

    density: FittedDensity
    train_loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]


def make_density(
    name: str, *, n_features: int, n_context: int = 1, seed: int = 1, **settings: Any
) -> ConditionalDensity:
    """A conditional density p(x|m), freshly initialised: a ``torch.nn.Module`` with ``log_prob(x,
    m)``, ``sample(m, generator)``, ``latent(x, m)`` and ``loss(x, m)`` on tensors.

    Args:
        name: name of a file of ``configs/density``, such as ``"made_mog"`` (autoregressive mixture
            of Gaussians) or ``"maf"`` (masked autoregressive flow, Papamakarios et al.
            1705.07057).
        n_features: number D of features x.
        n_context: number C of context values m.
        seed: seed of the initial weights.
        **settings: settings of the density, such as ``hidden_features``; others as in its file.

    Raises:
        ConfigError: a name or setting is unknown, or has an impossible value.

    Example:
        >>> maf = make_density("maf", n_features=4, n_context=1, n_transforms=2)
        >>> maf.log_prob(torch.zeros(3, 4), torch.zeros(3, 1)).shape
        torch.Size([3])
    """
    content = content_of("run", "anode", {"density": {**settings, "name": name}})["density"]
    config = build(DensityConfig, content, "density", CHOICES)
    return build_density(config, n_features, n_context, seed)


def fit(
    density: ConditionalDensity,
    x: ArrayLike,
    m: ArrayLike,
    *,
    validation: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    trainer: str | Settings | None = None,
    ensemble: int | Settings | None = None,
    logit: bool | None = None,
    preprocessing: Settings | None = None,
    seed: int | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> DensityFit:
    """Maximise the likelihood of events x given m, as a run fits its p_bg.

    Features are scaled to their range, stretched by a logit and standardised; the mass is
    standardised. A setting that is left out has the value of ``configs/``.

    Args:
        density: density of ``make_density``, with one context value; starts from the weights it
            has, and is left with those of the last epoch.
        x: (N, D) features.
        m: (N,) masses [GeV].
        validation: share of the events, drawn at random, whose likelihood is watched only.
        epochs: number of passes over the training events.
        batch_size: number of events a step.
        learning_rate: learning rate of Adam; the peak where the schedule is a cycle.
        trainer: further settings of ``configs/trainer``.
        ensemble: number of last epochs that are averaged, or ``{"size": 10, "mode": "best"}``.
        logit: flag as in ``Model``.
        preprocessing: settings as in ``Model``.
        seed: seed of the order of events and the validation share.
        threads: number of threads for the time of the fit.
        device: device "cpu", "cuda" or "auto".

    Raises:
        ConfigError: a setting is unknown or impossible, or the density has several context values.
        DataError: a shape differs, or a value is not finite.
        TrainingError: too few events, or a loss that is not finite.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> m = rng.uniform(3000, 4000, 2000)
        >>> x = rng.normal(m[:, None] / 1000, 0.5, (2000, 1))
        >>> mixture = make_density("made_mog", n_features=1, hidden_features=16, n_components=2)
        >>> found = fit(mixture, x, m, epochs=6, batch_size=100, ensemble=2, logit=False, seed=1)
        >>> bool(found.validation_loss[-1] < found.validation_loss[0])
        True
        >>> bool(abs(found.density.sample(np.full(1000, 3500.0), seed=1).mean() - 3.5) < 0.1)
        True
    """
    keywords = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "trainer": trainer,
        "ensemble": ensemble,
        "logit": logit,
        "preprocessing": preprocessing,
        "seed": seed,
        "threads": threads,
        "device": device,
        "split": None if validation is None else {"validation": validation},
    }
    given = {key: value for key, value in keywords.items() if value is not None}
    config = from_mapping(content_of("run", "anode", given))
    if density.n_context != 1 or config.ensemble.seeds != 1:
        raise ConfigError(
            "fit takes one density given one mass, got "
            f"n_context={density.n_context} and ensemble.seeds={config.ensemble.seeds}"
        )
    if config.preprocessing.dequantise:
        raise ConfigError(
            "fit takes x as they are: preprocessing.dequantise must be false, got true; spread "
            "them by anode.regions.dequantise.Spikes, and those that are evaluated later, too"
        )
    features, mass = _checked(x, m, density.n_features)
    share = stream(config.seed, "fit", "validation").uniform(size=len(mass))
    train = share >= config.split.validation
    steps = Preprocessing.fit(
        features[train],
        logit=config.preprocessing.logit,
        standardise=config.preprocessing.standardise,
    )
    scaling = ContextScaling.fit(mass[train])
    fitted, watched = (_sample(steps, scaling, features[p], mass[p]) for p in (train, ~train))
    folder = PrivateFolder()
    job = Fit(density, fitted, watched, stream_seed(config.seed, "fit"), folder.path)
    with lent_process():
        prepare_process(config.threads)
        (result,) = fit_in_folder([job], config=config.trainer, device=config.device)
    average = Ensemble(_members(density.cpu(), result, config.ensemble, folder))
    return DensityFit(
        FittedDensity(PhysicalDensity(average, steps, scaling)),
        np.array(result.train_loss),
        np.array(result.validation_loss),
    )


def _members(
    density: ConditionalDensity, result: FitResult, ensemble: EnsembleConfig, folder: PrivateFolder
) -> list[ConditionalDensity]:
    """Copies with the weights of the epochs to be averaged."""
    members = []
    for checkpoint in result.select(ensemble.mode, ensemble.size):
        member = copy.deepcopy(density)
        member.load_state_dict(load_tensors(folder.path / checkpoint.path))
        members.append(member)
    return members


def _sample(
    steps: Preprocessing,
    scaling: ContextScaling,
    features: NDArray[np.float64],
    mass: NDArray[np.float64],
) -> Sample:
    with torch.no_grad():
        latent, _ = steps(torch.as_tensor(features))
        return Sample(latent, scaling(torch.as_tensor(mass)))


def _checked(
    x: ArrayLike, m: ArrayLike, n_features: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    features, mass = np.require(x, np.float64, "W"), _checked_mass(m)  # as torch wants them
    if features.shape != (len(mass), n_features):
        raise DataError(
            f"x must have shape ({len(mass)}, {n_features}), a row a mass and a column a feature, "
            f"got {features.shape}"
        )
    if not np.isfinite(features).all():
        raise DataError("x must be finite, but some values are not; remove or repair these events")
    return features, mass


def _checked_mass(m: ArrayLike) -> NDArray[np.float64]:
    mass = np.require(m, np.float64, "W")
    if mass.ndim != 1 or not np.isfinite(mass).all():
        raise DataError(f"m must be finite masses of shape (N,), got shape {mass.shape}")
    return mass
