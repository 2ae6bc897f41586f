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


def splitmix64(state: np.ndarray) -> np.ndarray:
    """One output of the generator SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) for each state.

    A bijection of 64-bit numbers in which every output bit depends on every input bit, so that it
    serves as a hash.

    Args:
        state: (N,) uint64.

    Returns:
        (N,) uint64.
    """
    mixed = state + np.uint64(0x9E3779B97F4A7C15)  # wraps modulo 2^64, as do the products
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: np.ndarray = mixed ^ (mixed >> np.uint64(31))
    return result


def torch_stream(seed: int, *names: Name) -> torch.Generator:
    """Torch generator, on the CPU, of the stream ``names``."""
    generator = torch.Generator()
    generator.manual_seed(stream_seed(seed, *names))
    return generator
