"""Files of generated di-jets in the bundled layout: event ids and attributes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from anode.events.writers.bundled import write_bundled
from anode.pipeline.datasets.chunks import ProcessSample, package_versions

IDS_PER_SEED = 10_000_000_000
"""event_id = seed * this + label * half of this + number of the signal * IDS_PER_SIGNAL + row:
files of different seeds or signals can be joined."""

IDS_PER_SIGNAL = 100_000_000
"""Ids of each signal: 50 of them share the half of a seed's ids that signals have."""

MAX_SEED = np.iinfo(np.int64).max // IDS_PER_SEED - 1
"""Largest seed whose ids fit into 64 bits."""


def first_event_id(seed: int, label: int, number: int = 0) -> int:
    """The id of the first event of a process.

    Args:
        seed: root seed.
        label: class, 0 background, 1 signal.
        number: number of the signal, 0 for background.

    Example:
        >>> first_event_id(1, 1, 3)
        15300000000
    """
    return seed * IDS_PER_SEED + label * (IDS_PER_SEED // 2) + number * IDS_PER_SIGNAL


def event_ids(sample: ProcessSample, number: int = 0) -> np.ndarray:
    """(N,) int64 ids of the events of a sample.

    Args:
        sample: events.
        number: number of the signal; background ignores it.
    """
    recipe = sample.recipe
    label = recipe.process.label
    first = first_event_id(recipe.seed, label, number if label else 0)
    return first + np.arange(len(sample.values), dtype=np.int64)


def write_samples(
    path: Path,
    samples: Sequence[ProcessSample],
    *,
    number: int,
    more: Mapping[str, str | int | float] | None = None,
) -> None:
    """Write the samples, in their order, to one file of the bundled layout.

    Args:
        path: file to write.
        samples: events of one seed, chunk size and trigger.
        number: number of the signal among them.
        more: further attributes of the file.
    """
    recipe = samples[0].recipe
    counts = [len(sample.values) for sample in samples]
    labels = np.array([sample.recipe.process.label for sample in samples], dtype=np.int8)
    attributes: dict[str, str | int | float] = {
        "seed": recipe.seed,
        "chunk_size": recipe.chunk_size,
        "trigger_pt": recipe.trigger_pt,
    }
    for sample in samples:
        name = sample.recipe.process.name
        attributes[f"settings_{name}"] = "\n".join(sample.recipe.process.settings)
        attributes[f"n_generated_{name}"] = sample.n_generated
        attributes[f"n_accepted_{name}"] = sample.n_accepted
    attributes |= {f"version_{name}": text for name, text in package_versions().items()}
    write_bundled(
        path,
        event_id=np.concatenate([event_ids(sample, number) for sample in samples]),
        values=np.concatenate([sample.values for sample in samples]),
        label=np.repeat(labels, counts),
        attributes=attributes | dict(more or {}),
    )
