"""Density per unit of the physical features, whatever space it was fitted in."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from anode.density.base import ConditionalDensity
from anode.density.matmul import ROWS, whole_blocks
from anode.errors import SamplingError
from anode.regions.preprocessing import ContextScaling, Preprocessing
from anode.seeding import torch_stream

CHUNK = 8192


class PhysicalDensity(nn.Module):
    """p(x|m) in physical units: a density composed with its preprocessing z(x).

        log p(x|m) = log p_z(z(x)|m) + log |det dz/dx|

    so that densities fitted with different preprocessing can be compared and divided.

    Args:
        density: density p_z(z|m), fitted in the preprocessed space.
        preprocessing: map z(x), with its Jacobian.
        context_scaling: map of m_jj [GeV] to the context that the density expects.
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
        z, log_abs_det = self.preprocessing(features)
        return self.density.log_prob(z, self.context_scaling(mass)) + log_abs_det

    def evaluate(self, features: np.ndarray, mass: np.ndarray, *, block: int = ROWS) -> np.ndarray:
        """``log_prob`` of NumPy arrays without gradients, in chunks: (N, D), (N,) [GeV] -> (N,).

        Memory does not grow with N; batch norm uses its running averages. The result for an event
        is the same, bit for bit, whatever other events stand before and behind it.

        Args:
            features: (N, D) physical features.
            mass: (N,) masses [GeV].
            block: number of events that are computed at once at least; another than that of all
                other scores may round otherwise (``physical_stack.small_blocks_agree``).
        """
        out = np.empty(len(features))
        return self._in_chunks(self.log_prob, features, mass, out, block)

    def to_latent(self, features: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """T(x; m) of physical events in the latent space, in chunks: (N, D), (N,) [GeV] -> (N, D).

        Standard normal in D dimensions at every mass for events of this density, as in LaCATHODE
        (Hallin et al. 2210.14924).
        """
        return self._in_chunks(self._latent, features, mass, np.empty(features.shape))

    def _latent(self, features: Tensor, mass: Tensor) -> Tensor:
        z, _ = self.preprocessing(features)
        return self.density.latent(z, self.context_scaling(mass))

    def _in_chunks(
        self,
        function: Callable[[Tensor, Tensor], Tensor],
        features: np.ndarray,
        mass: np.ndarray,
        out: np.ndarray,
        block: int = ROWS,
    ) -> np.ndarray:
        """``out``, filled with ``function`` of features (B, D) and masses (B,)."""
        self.eval()
        with torch.inference_mode():
            for start in range(0, len(features), CHUNK):
                rows = slice(start, start + CHUNK)
                x = torch.as_tensor(features[rows], dtype=torch.float64)
                m = torch.as_tensor(mass[rows], dtype=torch.float64)
                filled = whole_blocks(x, block), whole_blocks(m, block)
                out[rows] = function(*filled).numpy()[: len(m)]
        return out

    def generate(self, mass: np.ndarray, seed: int) -> np.ndarray:
        """One event x ~ p(x|m) for every mass (N,) [GeV]: (N, D) physical features.

        Raises:
            SamplingError: an event is not finite, as the inverse of a flow overflows.
        """
        self.eval()
        generator = torch_stream(seed, "generate")
        chunks = []
        with torch.inference_mode():
            for start in range(0, len(mass), CHUNK):
                m = torch.as_tensor(mass[start : start + CHUNK], dtype=torch.float64)
                z = self.density.sample(self.context_scaling(m), generator)
                if not bool(torch.isfinite(z).all()):
                    n_bad = int((~torch.isfinite(z)).any(dim=1).sum())
                    raise SamplingError(
                        f"events drawn from a density must be finite, but {n_bad} of {len(z)} are "
                        f"not: its inverse overflows in {z.shape[1]} dimensions; fit another "
                        "density (density=made_mog), with more weight decay, or to fewer features"
                    )
                chunks.append(self.preprocessing.inverse(z).double().numpy())
        return np.concatenate(chunks) if chunks else np.empty((0, self.density.n_features))
