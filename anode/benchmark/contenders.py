"""Contenders of the benchmark: the same affine MAF from this project, nflows, zuko or a file."""

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from anode.benchmark.timing import Work
from anode.density.batched_loss import mean_losses
from anode.density.build import build_density
from anode.density.maf import FlowConfig
from anode.density.mixture import MixtureConfig
from anode.errors import ConfigError
from anode.seeding import torch_stream
from anode.training.optimiser import Adam
from anode.training.recipe import Pace

LogProb = Callable[[Tensor, Tensor], Tensor]
Draw = Callable[[Tensor], Tensor]


class Shape(NamedTuple):
    """Shape of an affine MAF and of its batches.

    Attributes:
        n_features: D.
        n_context: C.
        n_transforms: number of transforms K.
        hidden: width H of the hidden layers.
        batch: events in a batch.
    """

    n_features: int
    n_context: int
    n_transforms: int
    hidden: int
    batch: int

    @property
    def text(self) -> str:
        """Short name, as "15x128, D=4, B=256"."""
        return f"{self.n_transforms}x{self.hidden}, D={self.n_features}, B={self.batch}"


class Mixtures(NamedTuple):
    """Several ``made_mog`` of 4 features, each with a batch of its own.

    Attributes:
        number: number of mixtures.
        hidden: width H of the hidden layers.
        components: number K of Gaussians of each feature.
        batch: events in a batch.
    """

    number: int
    hidden: int
    components: int
    batch: int

    @property
    def text(self) -> str:
        """Short name, as "5 x made_mog, H=64, K=8, B=256"."""
        return f"{self.number} x made_mog, H={self.hidden}, K={self.components}, B={self.batch}"


class Contender(NamedTuple):
    """A library's flow.

    Attributes:
        module: flow as a torch module.
        log_prob: log p(x|m) of features (B, D) and context (B, C), (B,).
        sample: one draw for every row of the context; None if the library has none.
    """

    module: nn.Module
    log_prob: LogProb
    sample: Draw | None


def ours(shape: Shape, backend: str) -> Contender:
    """This project's MAF: "fused", or "nflows" behind our interface."""
    config = FlowConfig(
        name="maf",
        backend=backend,
        n_transforms=shape.n_transforms,
        hidden_features=shape.hidden,
        n_blocks=1,
        batch_norm=True,
        spectral_norm=False,
        context_affine=False,
    )
    return _of_density(config, shape)


def made_mog(shape: Shape) -> Contender:
    """Our mixture, with 128 hidden units and 8 components for any shape of the MAF."""
    hidden = max(128, shape.n_features)
    return _of_density(MixtureConfig("made_mog", "fused", hidden, 8), shape)


def _of_density(config: FlowConfig | MixtureConfig, shape: Shape) -> Contender:
    density = build_density(config, shape.n_features, shape.n_context, seed=1)
    generator = torch_stream(1, "benchmark")
    return Contender(density, density.log_prob, lambda context: density.sample(context, generator))


def zuko_maf(shape: Shape) -> Contender | None:
    """zuko's MAF, two hidden layers per transform, no batch norm; None if not installed."""
    if importlib.util.find_spec("zuko") is None:
        return None
    import zuko

    hidden = (shape.hidden, shape.hidden)
    flow = zuko.flows.MAF(
        shape.n_features, shape.n_context, transforms=shape.n_transforms, hidden_features=hidden
    )

    def log_prob(features: Tensor, context: Tensor) -> Tensor:
        result: Tensor = flow(context).log_prob(features)
        return result

    def sample(context: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = flow(context).sample()
        return result

    return Contender(flow, log_prob, sample)


def from_file(path: Path, shape: Shape) -> Contender:
    """A user's flow, from a Python file.

    The file defines ``build(n_features, n_context, n_transforms, hidden)``, which returns a module
    with ``log_prob(features, context)`` and perhaps ``sample(context)``.

    Raises:
        ConfigError: the file is missing or has no ``build``.
    """
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"others: {path} must be a Python file, but there is none; check it")
    user = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(user)
    if not hasattr(user, "build"):
        raise ConfigError(
            f"others: {path} must define build(n_features, n_context, n_transforms, hidden)"
        )
    module = user.build(*shape[:4])
    return Contender(module, module.log_prob, getattr(module, "sample", None))


def all_of(shape: Shape, others: dict[str, str], device: str) -> dict[str, Contender]:
    """Every contender at one shape, on its device; "nflows" first."""
    made: dict[str, Contender | None] = {
        "nflows": ours(shape, "nflows"),
        "zuko": zuko_maf(shape),
        **{name: from_file(Path(path), shape) for name, path in others.items()},
        "anode maf": ours(shape, "fused"),
        "anode made_mog": made_mog(shape),
    }
    contenders = {name: contender for name, contender in made.items() if contender is not None}
    for contender in contenders.values():
        contender.module.to(device)
    return contenders


def training_step(contender: Contender, shape: Shape, *, adam: str, device: str) -> Work:
    """One step on one fixed batch, by torch's Adam ("default" or "fused") or ours ("anode")."""
    features, context = batch(shape, shape.batch, device)
    contender.module.train()
    parameters = contender.module.parameters()
    move: Callable[[], object]
    if adam == "anode":
        ours = Adam(parameters, weight_decay=0.0, gradient_clip=None)
        move = functools.partial(ours.step, Pace(1e-4, 0.9))
    else:
        move = torch.optim.Adam(parameters, lr=1e-4, fused=adam == "fused" or None).step

    def step() -> None:
        contender.module.zero_grad(set_to_none=True)
        (-contender.log_prob(features, context).mean()).backward()
        move()

    return step


def step_of_all(mixtures: Mixtures, *, at_once: int, device: str) -> Work:
    """One step of every mixture, ``at_once`` of them in each call."""
    config = MixtureConfig("made_mog", "fused", mixtures.hidden, mixtures.components)
    shape = Shape(4, 1, 0, mixtures.hidden, mixtures.batch)
    densities = [build_density(config, 4, 1, seed).to(device) for seed in range(mixtures.number)]
    optimisers = [Adam(d.parameters(), weight_decay=0.0, gradient_clip=5.0) for d in densities]
    features, context = batch(shape, mixtures.batch, device)

    def step() -> None:
        for start in range(0, mixtures.number, at_once):
            some = densities[start : start + at_once]
            mean_losses(some, [features] * len(some), [context] * len(some)).sum().backward()
        for optimiser in optimisers:
            optimiser.step(Pace(1e-4, 0.9))

    return step


def scoring(contender: Contender, shape: Shape, rows: int, chunk: int, device: str) -> Work:
    """log p of ``rows`` events, ``chunk`` at a time."""
    features, context = batch(shape, rows, device)

    def score() -> None:
        contender.module.eval()
        with torch.inference_mode():
            for start in range(0, rows, chunk):
                contender.log_prob(features[start : start + chunk], context[start : start + chunk])

    return score


def sampling(contender: Contender, shape: Shape, rows: int, device: str) -> Work | None:
    """One draw for each of ``rows`` masses; None if the library cannot sample."""
    if contender.sample is None:
        return None
    draw, (_, context) = contender.sample, batch(shape, rows, device)

    def sample() -> None:
        contender.module.eval()
        with torch.inference_mode():
            draw(context)

    return sample


def batch(shape: Shape, rows: int, device: str) -> tuple[Tensor, Tensor]:
    """Standard normal features (rows, D) and context (rows, C)."""
    generator = torch_stream(2, "benchmark", rows)
    features = torch.randn(rows, shape.n_features, generator=generator)
    context = torch.randn(rows, shape.n_context, generator=generator)
    return features.to(device), context.to(device)
