"""A fitted representation in a folder: events in, latent numbers, reconstructions and losses out.

Its network never sees a label, nor the mass. Inputs of kind "features" are standardised with mean
and width of the events that it is fitted on; images and constituents are taken as they are.
"""

import dataclasses
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from anode import io, progress
from anode.errors import RunDirectoryError
from anode.events.table import EventTable
from anode.regions.preprocessing import Preprocessing
from anode.regions.splits import uniform_of
from anode.representations.config import RepresentationConfig
from anode.representations.inputs import BLOCK, Inputs
from anode.representations.networks.base import Network
from anode.representations.networks.build import build_network
from anode.seeding import stream_seed
from anode.training import checkpoints, store
from anode.training.loop import fit
from anode.training.state import Fit, Sample

log = logging.getLogger(__name__)

LEAST_GAIN = 0.1
"""Share of a blank prediction's loss that a reconstruction must save."""
VALIDATION = 0.15
DESCRIPTION = "representation.json"
SCALING = "scaling.pt"
GAIN = "gain.json"
INPUTS = "inputs-"  # how temporary folders begin
CODE = ("representations", "jets", "regions", "training", "seeding.py")
"""Sources that a fit depends on."""


def latent_names(config: RepresentationConfig, inputs: Inputs) -> tuple[str, ...]:
    """Names of the columns that a representation gives: z1, z2, ..., or c1, ... if compressed."""
    if config.compression is not None:
        return tuple(f"c{i + 1}" for i in range(config.compression.columns))
    n_latent = build_network(config.network, inputs.shape(), seed=0).n_latent
    return tuple(f"z{i + 1}" for i in range(n_latent))


class Resources(NamedTuple):
    """What a fit runs with.

    Attributes:
        seed: root seed of the run.
        tracker: "none", "jsonl" or "wandb".
        device: "cpu" or "cuda", for the fit.
        store: folder of finished fits that runs share; None for none.
    """

    seed: int
    tracker: str
    device: str
    store: Path | None = None


class Representation:
    """Latent numbers of events.

    Args:
        directory: folder of the fit, whose name names its random streams.
        config: settings.
        inputs: what it sees of events.
        resources: what the fit runs with.
    """

    def __init__(
        self, directory: Path, config: RepresentationConfig, inputs: Inputs, resources: Resources
    ) -> None:
        self.directory, self.config, self.inputs = directory, config, inputs
        self.resources = resources
        self._network: Network | None = None
        self._scaling: Preprocessing | None = None

    @property
    def n_latent(self) -> int:
        """Number L of latent numbers."""
        return self._fresh().n_latent

    def fit(self, events: EventTable) -> None:
        """Fit the network to events, resuming; ``gain.json`` says how much better than
        a blank prediction it is.

        Args:
            events: N events of the sidebands, without labels.
        """
        if (self.directory / GAIN).is_file():  # the last file that a fit writes
            return
        number = uniform_of(events.identity, self.resources.seed, "representation")
        held = number < VALIDATION
        self.directory.mkdir(parents=True, exist_ok=True)
        for left in self.directory.glob(f"{INPUTS}*"):  # by a fit that was killed
            shutil.rmtree(left)
        # Images of all events need not fit into memory: they lie in files while the fit lasts.
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=INPUTS) as folder:
            values = _Values(
                self.inputs.of(events[~held], Path(folder) / "train.npy"),
                self.inputs.of(events[held], Path(folder) / "validation.npy"),
            )
            if self.resources.store is None:
                self._fit(values)
                return
            entry = self.resources.store / self._content_hash(values, events.identity)
            with store.sharing({self.directory: entry}, self._contents()):
                if not (self.directory / GAIN).is_file():
                    self._fit(values)

    def encode(self, events: EventTable) -> np.ndarray:
        """(N, L) float64 latent numbers of N events."""
        network = self._fitted()
        parts = [network.encode(inputs) for inputs in self._blocks(events)]
        return torch.cat(parts).double().numpy()

    def reconstruct(self, events: EventTable) -> np.ndarray:
        """(N, ...) float32 what the network makes of the inputs, in their own units.

        Raises:
            DataError: the network reconstructs nothing.
        """
        network = self._fitted()
        result = torch.cat([network.reconstruct(inputs) for inputs in self._blocks(events)])
        if self._scaling is not None:
            result = self._scaling.inverse(result).float()
        return result.numpy()

    def loss(self, events: EventTable) -> dict[str, np.ndarray]:
        """Scores that the network has for each event, by name: (N,) each, larger for stranger
        events; none of a network that reconstructs nothing."""
        network = self._fitted()
        parts = [network.terms(inputs) for inputs in self._blocks(events)]
        return {
            name: torch.cat([terms[name] for terms in parts]).double().numpy() for name in parts[0]
        }

    @property
    def gain(self) -> float | None:
        """Share of a blank prediction's loss that the reconstruction saves on validation events;
        None where it reconstructs nothing."""
        remedy = checkpoints.fit_again(self.directory)
        content = io.read_json(self.directory / GAIN, remedy=remedy)
        return None if content["gain"] is None else float(content["gain"])

    def _fit(self, values: "_Values") -> None:
        """Fit the network to inputs."""
        scaling = self._fit_scaling(values.train)
        train, validation = (_scaled(part, scaling) for part in values)
        network = self._fresh()
        self._describe()
        with progress.task("representation"):
            fit(
                [
                    Fit(
                        network,
                        _sample(train),
                        _sample(validation),
                        seed=stream_seed(self.resources.seed, self.directory.name),
                        directory=self.directory,
                    )
                ],
                config=self.config.trainer,
                tracker=self.resources.tracker,
                device=self.resources.device,
            )
        self._network = None
        self._judge(validation)

    def _content_hash(self, values: "_Values", identity: np.ndarray) -> str:
        """SHA-256 of all that the fit depends on: inputs, settings, seed and code."""
        settings = {
            "representation": self._identity(),
            "trainer": dataclasses.asdict(self.config.trainer),
            "stream": [self.resources.seed, self.directory.name],
            "device": self.resources.device,
            "code": store.code_hash(CODE),
            "torch": torch.__version__,
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for content in (*values, identity):
            digest.update(np.ascontiguousarray(content).data)
        return digest.hexdigest()

    def _contents(self) -> store.Contents:
        tensors = (SCALING,) if self.inputs.config.kind == "features" else ()
        return store.Contents(json=(DESCRIPTION, GAIN), tensors=tensors)

    def _judge(self, inputs: Tensor) -> None:
        terms = self._fitted().terms(inputs)
        gain = None
        if "reconstruction" in terms:
            blank = self._fitted().blank_error(inputs).mean()
            gain = float(1 - terms["reconstruction"].mean() / blank)
            if gain < LEAST_GAIN:
                log.warning(
                    "%s: the reconstruction is no better than a blank one (%.1f%% of its loss "
                    "saved, %.0f%% are needed): its scores say little; train longer, or choose "
                    "another network",
                    self.directory,
                    100 * gain,
                    100 * LEAST_GAIN,
                )
        io.write_json(self.directory / GAIN, {"gain": gain}, sealed=True)

    def _blocks(self, events: EventTable) -> Iterator[Tensor]:
        """Inputs of the events, block by block: those of all need not fit into memory."""
        for start in range(0, max(len(events), 1), BLOCK):
            values = self.inputs.of(events[start : start + BLOCK])
            yield _scaled(values, self._scaling)

    def _fit_scaling(self, values: np.ndarray) -> Preprocessing | None:
        if self.inputs.config.kind != "features":
            return None
        names = self.inputs.config.names or self.inputs.names
        scaling = Preprocessing.fit(values, names, logit=False, standardise=True)
        checkpoints.save_tensors(self.directory / SCALING, scaling.state_dict())
        return scaling

    def _fresh(self) -> Network:
        seed = stream_seed(self.resources.seed, self.directory.name, "initial weights")
        return build_network(self.config.network, self.inputs.shape(), seed=seed)

    def _identity(self) -> dict[str, Any]:
        return {
            "network": dataclasses.asdict(self.config.network),
            "inputs": dataclasses.asdict(self.inputs.config),
            "names": list(self.inputs.names),
        }

    def _describe(self) -> None:
        io.write_json(self.directory / DESCRIPTION, self._identity(), sealed=True)

    def _fitted(self) -> Network:
        """The network with the weights of the last epoch."""
        if self._network is None:
            remedy = checkpoints.fit_again(self.directory)
            found = io.read_json(self.directory / DESCRIPTION, remedy=remedy)
            if found != self._identity():
                raise RunDirectoryError(
                    f"{self.directory / DESCRIPTION} must be of the representation that is asked "
                    "for, but network or inputs differ; choose another run directory"
                )
            last = checkpoints.read_result(self.directory).select("last", 1)[0]
            network = self._fresh()
            network.load_state_dict(checkpoints.load_tensors(self.directory / last.path))
            if self.inputs.config.kind == "features":
                self._scaling = Preprocessing(self.inputs.shape()[0], logit=False)
                content = checkpoints.load_tensors(self.directory / SCALING)
                self._scaling.load_state_dict(content)
            self._network = network.eval()
        return self._network


class _Values(NamedTuple):
    """Inputs (N, ...) of the events that a network is fitted to, and of those that judge it."""

    train: np.ndarray
    validation: np.ndarray


def _scaled(values: np.ndarray, scaling: Preprocessing | None) -> Tensor:
    inputs = torch.from_numpy(values)
    return inputs if scaling is None else scaling(inputs)[0]


def _sample(inputs: Tensor) -> Sample:
    """A sample of the training loop; nothing is conditional on the mass."""
    return Sample(inputs, inputs.new_zeros((len(inputs), 1)))
