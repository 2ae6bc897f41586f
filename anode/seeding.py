"""Random streams: one root seed, and a name for each stream.

``stream(seed, "injection")`` does not depend on the numbers that other parts of the code draw.
Names may be strings or integers (a fold, an epoch).
"""

import hashlib

import numpy as np
import torch

Name = str | int


def stream_seed(seed: int, *names: Name) -> int:
    """63-bit seed of the stream ``names`` below the root ``seed``.

    The first eight bytes of BLAKE2b over the root seed and the names, so that neither the order
    in which streams are asked for nor the platform's ``hash`` matters.
    """
    text = "\x1f".join([str(int(seed)), *(str(name) for name in names)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def stream(seed: int, *names: Name) -> np.random.Generator:
    """NumPy generator (PCG64) of the stream ``names``."""
    return np.random.default_rng(stream_seed(seed, *names))


def torch_stream(seed: int, *names: Name) -> torch.Generator:
    """Torch generator, on the CPU, of the stream ``names``."""
    generator = torch.Generator()
    generator.manual_seed(stream_seed(seed, *names))
    return generator
