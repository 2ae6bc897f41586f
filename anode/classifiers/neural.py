"""Neural classifiers, of features or of sets, fitted by the training loop of densities."""

import itertools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from anode.classifiers.binary_network import BinaryNetwork
from anode.classifiers.config import NeuralConfig, SetConfig
from anode.classifiers.job import ClassifierJob, Labelled, divide
from anode.classifiers.set_networks import build_set_network
from anode.density.matmul import whole_blocks
from anode.seeding import stream_seed
from anode.training import checkpoints
from anode.training.checkpoints import FitResult
from anode.training.loop import fit
from anode.training.state import Fit, Sample


class NeuralClassifier(BinaryNetwork):
    """Log-odds a(x) of D standardised features: layers of equal width, ReLU between them.

    Args:
        n_features: D.
        config: settings.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, config: NeuralConfig) -> None:
        super().__init__()
        widths = [n_features] + config.hidden_layers * [config.hidden_features]
        layers: list[nn.Module] = []
        for width, following in itertools.pairwise(widths):
            layers += [nn.Linear(width, following), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
        self.register_buffer("mean", torch.zeros(n_features, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_features, dtype=torch.float64))

    def standardised(self, features: np.ndarray) -> Tensor:
        """Physical features (N, D) to the network's own, of mean 0 and deviation 1, float32."""
        x = torch.as_tensor(features, dtype=torch.float64)
        return ((x - self.mean.cpu()) / self.scale.cpu()).float()

    def adapt(self, features: np.ndarray) -> None:
        """Take mean and deviation of the training events (N, D)."""
        spread = features.std(axis=0)
        self.mean.copy_(torch.from_numpy(features.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(np.where(spread > 0, spread, 1.0)))

    def forward(self, features: Tensor) -> Tensor:
        """Standardised features (B, D) -> log-odds (B,)."""
        return self.network(features).squeeze(-1)


def fit_network(job: ClassifierJob, config: NeuralConfig | SetConfig) -> FitResult:
    """Fit one network, or finish what was begun in its folder."""
    train, validation = divide(job)
    seed = stream_seed(job.seed, job.directory.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(job.seed, job.directory.name, "initial weights"))
        network = _build(train.features.shape[1], config)
    network.adapt(train.features)
    one = Fit(network, _sample(network, train), _sample(network, validation), seed, job.directory)
    (result,) = fit(
        [one],
        config=config.trainer,
        tracker=job.tracker,
        device=job.device,
    )
    return result


def network_outputs(
    directory: Path, config: NeuralConfig | SetConfig, features: np.ndarray
) -> np.ndarray:
    """(K, N) log-odds of the K epochs of lowest validation loss for features (N, D)."""
    network = _build(features.shape[1], config)
    outputs = []
    for chosen in checkpoints.read_result(directory).select("best", config.ensemble_size):
        network.load_state_dict(checkpoints.load_tensors(directory / chosen.path))
        network.eval()
        with torch.no_grad():
            inputs = whole_blocks(network.standardised(features))
            found = torch.cat([network(part) for part in inputs.split(network.chunk)])
            outputs.append(found.double().numpy()[: len(features)])
    return np.stack(outputs)


def _build(n_features: int, config: NeuralConfig | SetConfig) -> BinaryNetwork:
    if isinstance(config, SetConfig):
        return build_set_network(n_features, config)
    return NeuralClassifier(n_features, config)


def _sample(network: BinaryNetwork, events: Labelled) -> Sample:
    context = np.stack([events.label, events.weight], axis=1)
    return Sample(network.standardised(events.features), torch.from_numpy(context).float())
