"""Particles in a file of features: the group ``particles``, rounded so that it compresses.

=============  ======================  ====================================================
``offsets``    (N + 1,) int64          event i owns particles offsets[i] to offsets[i + 1]
``pt``         (M,) float32, GeV       falls within an event; ``PT_BITS`` bits of mantissa
``eta, phi``   (M,) float32            multiples of ``STEP``; phi in [-pi, pi)
``jet``        (M,) int8               0 in the harder jet, 1 in the other one, -1 in neither
=============  ======================  ====================================================

Event i is row i of the columns at the root of the file, ``event_id`` among them.
"""

from collections.abc import Callable, Iterable, Iterator

import h5py
import numpy as np
from numpy.typing import NDArray

from anode.events.feature_definitions import wrapped
from anode.events.particles import EventParticles
from anode.events.writers.bundled import round_mantissa

GROUP = "particles"
VALUES = ("pt", "eta", "phi", "jet")
"""Datasets of one value a particle."""

PT_BITS = 10
"""Mantissa bits of a transverse momentum, which stays within 5e-4 of itself: detectors resolve 1%
at best."""

STEP = 2.0**-12
"""Grid of eta and phi: 2.4e-4, a hundredth of a cell of a calorimeter."""

CHUNK = 1 << 15
"""Particles compressed, written and read at a time: about 200 events."""

_LAST_STEP = np.floor(np.pi / STEP)  # beyond it phi would leave [-pi, pi)


def rounded(particles: EventParticles) -> EventParticles:
    """The particles as the file holds them; twice rounded is once rounded.

    Transverse momenta change by at most 2^-11 of themselves, eta and phi by at most ``STEP`` / 2,
    phi by up to ``STEP`` where it is that close to pi. Azimuths need not be wrapped before.

    Example:
        >>> value, ids, jet = np.float32([7.0]), np.array([12]), np.zeros(1, np.int8)
        >>> found = rounded(EventParticles(ids, np.array([0, 1]), value, value, value, jet))
        >>> round(float(found.phi[0] + 2 * np.pi), 3)
        7.0
    """
    phi = np.asarray(particles.phi, dtype=np.float64)
    turned = wrapped(phi)
    return particles._replace(
        pt=round_mantissa(particles.pt, PT_BITS),
        eta=_on_grid(particles.eta),
        phi=_on_grid(np.clip(turned, -_LAST_STEP * STEP, _LAST_STEP * STEP)),
    )


def write_particles(
    file: h5py.File, parts: Iterable[EventParticles], check: Callable[[], None]
) -> None:
    """Write the group ``particles`` of a new file, a part at a time.

    The bytes do not depend on how the events are divided into parts; memory holds a part and
    ``CHUNK`` particles beside it.

    Args:
        file: open file, without the group.
        parts: particles of the file's events, in the order of its rows.
        check: raises what keeps the file from the disk.
    """
    group = file.create_group(GROUP)
    group.attrs.update(mantissa_bits_pt=PT_BITS, step_eta_phi=STEP)
    counts: list[NDArray[np.int64]] = []
    for chunk in _rechunked(parts, counts):
        for name, values in chunk.items():
            if name not in group:
                _create(group, name, values.dtype)
            dataset = group[name]
            dataset.resize(len(dataset) + len(values), axis=0)
            dataset[len(dataset) - len(values) :] = values
        check()
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(counts))])
    _create(group, "offsets", offsets.dtype).resize(len(offsets), axis=0)
    group["offsets"][:] = offsets
    check()


def _on_grid(values: NDArray) -> NDArray[np.float32]:
    return (np.round(np.asarray(values, np.float64) / STEP) * STEP).astype(np.float32)


def _rechunked(
    parts: Iterable[EventParticles], counts: list[NDArray[np.int64]]
) -> Iterator[dict[str, NDArray]]:
    """The values in pieces of ``CHUNK`` particles, the last one shorter; ``counts`` gets those of
    the events."""
    rest: dict[str, NDArray] = {}
    for part in map(rounded, parts):
        counts.append(np.diff(part.offsets))
        given = {name: getattr(part, name) for name in VALUES}
        rest = {n: np.concatenate([rest[n], v]) for n, v in given.items()} if rest else given
        n_full = len(rest["pt"]) // CHUNK * CHUNK
        for start in range(0, n_full, CHUNK):
            yield {name: values[start : start + CHUNK] for name, values in rest.items()}
        rest = {name: values[n_full:] for name, values in rest.items()}
    yield rest


def _create(group: h5py.Group, name: str, dtype: np.dtype) -> h5py.Dataset:
    return group.create_dataset(
        name, (0,), dtype, maxshape=(None,), chunks=(CHUNK,), compression="gzip",
        compression_opts=4, shuffle=True,
    )  # fmt: skip
