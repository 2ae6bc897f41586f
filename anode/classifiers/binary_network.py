"""What every network that tells two classes apart has in common: log-odds and their loss."""

import abc

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


class BinaryNetwork(nn.Module, abc.ABC):
    """Log-odds a(x) of D features.

    Attributes:
        chunk: largest number of events that are evaluated at once, a multiple of 2048.
    """

    chunk = 32768

    @abc.abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """The network's own features (B, D) -> log-odds (B,)."""

    def adapt(self, features: np.ndarray) -> None:
        """Take scales from the training events (N, D); by default there is nothing to take."""

    def standardised(self, features: np.ndarray) -> Tensor:
        """Physical features (N, D) to the network's own, float32."""
        return torch.as_tensor(features, dtype=torch.float32)

    def loss(self, features: Tensor, context: Tensor) -> Tensor:
        """Cross entropy [nats] times weight, not reduced.

        Args:
            features: the network's own features (B, D).
            context: label, 0 or 1, and weight (B, 2).
        """
        label, weight = context.unbind(1)
        return weight * binary_cross_entropy_with_logits(self(features), label, reduction="none")
