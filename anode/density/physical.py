"""What is the density per unit of the physical features, whatever space it was fitted in?"""

import numpy as np
import torch
from torch import Tensor, nn

from anode.density.base import ConditionalDensity
from anode.regions.preprocessing import ContextScaling, Preprocessing
from anode.seeding import torch_stream

CHUNK = 8192


class PhysicalDensity(nn.Module):
    """p(x|m) in physical units: a density composed with its preprocessing z(x).

        log p(x|m) = log p_z(z(x)|m) + log |det dz/dx|

    so that densities fitted with different preprocessing can be compared and divided.

    Args:
        density: fitted in the preprocessed space.
        preprocessing: the map z(x), with its Jacobian.
        context_scaling: the map of m_jj [GeV] to the context the density expects.
    """

    def __init__(
        self,
        density: ConditionalDensity,
        preprocessing: Preprocessing,
        context_scaling: ContextScaling,
    ) -> None:
        super().__init__()
        self.density = density
        self.preprocessing = preprocessing
        self.context_scaling = context_scaling

    def log_prob(self, features: Tensor, mass: Tensor) -> Tensor:
        """log p(x|m) for physical features (B, D) and masses (B,) [GeV] -> (B,)."""
        latent, log_abs_det = self.preprocessing(features)
        return self.density.log_prob(latent, self.context_scaling(mass)) + log_abs_det

    def evaluate(self, features: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """``log_prob`` of NumPy arrays without gradients, in chunks: (N, D), (N,) -> (N,).

        Memory does not grow with N; batch norm uses its running averages.
        """
        self.eval()
        log_p = np.empty(len(features))
        with torch.inference_mode():
            for start in range(0, len(features), CHUNK):
                rows = slice(start, start + CHUNK)
                x = torch.as_tensor(features[rows], dtype=torch.float64)
                m = torch.as_tensor(mass[rows], dtype=torch.float64)
                log_p[rows] = self.log_prob(x, m).double().numpy()
        return log_p

    def generate(self, mass: np.ndarray, seed: int) -> np.ndarray:
        """One event x ~ p(x|m) for every mass (N,) [GeV]: (N, D) physical features."""
        self.eval()
        generator = torch_stream(seed, "generate")
        chunks = []
        with torch.inference_mode():
            for start in range(0, len(mass), CHUNK):
                m = torch.as_tensor(mass[start : start + CHUNK], dtype=torch.float64)
                latent = self.density.sample(self.context_scaling(m), generator)
                chunks.append(self.preprocessing.inverse(latent).double().numpy())
        return np.concatenate(chunks) if chunks else np.empty((0, self.density.n_features))
