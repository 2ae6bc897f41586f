"""Objectives of a tuning: functions of a trained run that read no truth label."""

from pathlib import Path

import numpy as np

from anode.errors import ConfigError
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.prepare import Prepared, prepare
from anode.pipeline.runs.run_directory import RunDirectory
from anode.regions.mass import sample_masses
from anode.regions.splits import uniform_of
from anode.seeding import stream, stream_seed
from anode.training.checkpoints import read_result

LEAST_TEMPLATE = 25  # events of the template beyond a cut
N_TEMPLATE = 20_000
HELD_OUT = 0.2  # of the sidebands, for a template where no background can be drawn
BANDWIDTH = 10.0  # GeV, of the masses of a drawn template
FIT_NAMES = ("representation", "background")
"""Folders whose validation loss is that of a run, the first one that there is."""


def events_of(config: RunConfig) -> tuple[Prepared, EventTable]:
    """The events of a trial, and a share of the sidebands, without labels, that it never sees."""
    prepared = prepare(config)
    data = prepared.data
    number = uniform_of(data.identity, config.seed, "tuning", "held out")
    held = prepared.regions.in_sidebands(data.mass) & (number < HELD_OUT)
    return prepared._replace(data=data[~held]), data[held].without_label()


def objective_of(name: str, config: RunConfig, prepared: Prepared, held_out: EventTable) -> float:
    """The objective of a trained run.

    Args:
        name: one of ``tuning.config.OBJECTIVES``.
        config: configuration of the run.
        prepared: its events; labels are taken off before anything is computed.
        held_out: sideband events that it has not seen.
    """
    directory = RunDirectory(config.run_dir)
    if name == "validation_loss":
        return _validation_loss(directory.checkpoints)
    method = stages.method_of(config, directory)
    data = prepared.data.without_label()
    inside = data[prepared.in_signal_region()]
    scores = method.score(inside, np.ones(len(inside), dtype=bool))
    if name == "likelihood_gain":
        everything = np.ones(len(inside), dtype=bool)
        gain = method.extra_metrics(scores.parts, everything).likelihood_gain
        if gain is None:
            raise ConfigError(
                "objective=likelihood_gain needs a method with p_data and p_bg, got "
                f"{method.title}; choose validation_loss or argos"
            )
        return gain
    template = _template(config, method, data, prepared, held_out)
    return argos(scores.score, method.score(template, np.zeros(len(template), dtype=bool)).score)


def argos(data: np.ndarray, template: np.ndarray) -> float:
    r"""The largest excess of data over a background template that a cut on the score shows,

    $$ \max_c \; \epsilon_{SR} / \sqrt{\epsilon_{BT}} - \sqrt{\epsilon_{BT}} , $$

    with the efficiencies of the cut on data of the signal region and on the template, monotonic
    in the significance improvement where the template is perfect (2511.14832). Cuts that fewer
    than 25 events of the template pass are left out.

    Args:
        data: (N,) scores of the signal region.
        template: (M,) scores of background.

    Example:
        >>> background = np.linspace(0, 1, 1000)
        >>> round(argos(background, background), 9)
        0.0
        >>> argos(np.append(background, np.full(50, 2.0)), background) > 0.1
        True
    """
    cuts = np.sort(template)[::-1][LEAST_TEMPLATE - 1 :]
    if not len(cuts):
        return 0.0
    of_template = np.searchsorted(np.sort(template), cuts, side="left")
    of_data = np.searchsorted(np.sort(data), cuts, side="left")
    efficiency = 1 - of_template / len(template)
    value = (1 - of_data / len(data)) / np.sqrt(efficiency) - np.sqrt(efficiency)
    return max(float(value.max()), 0.0)


def _validation_loss(checkpoints: Path) -> float:
    for name in FIT_NAMES:
        if (checkpoints / name / "fit.json").is_file():
            return min(read_result(checkpoints / name).validation_loss)
    raise ConfigError(
        "objective=validation_loss needs a fit to the sidebands, of a representation or of p_bg; "
        "choose argos"
    )


def _template(
    config: RunConfig,
    method: AnomalyMethod,
    data: EventTable,
    prepared: Prepared,
    held_out: EventTable,
) -> EventTable:
    """Background of the signal region, drawn from p_bg; without one, held-out events beside it."""
    signal = prepared.regions.signal
    inside = data.mass[signal.contains(data.mass)]
    mass = sample_masses(
        inside, N_TEMPLATE, bandwidth=BANDWIDTH, rng=stream(config.seed, "tuning", "masses")
    )
    number = np.arange(N_TEMPLATE)
    identity = stream(config.seed, "tuning", "identity").integers(0, 2**63, N_TEMPLATE)
    drawn = method.draw_background(
        identity.astype(np.uint64), mass, stream_seed(config.seed, "tuning", "template")
    )
    if drawn is None:
        width = signal.high - signal.low
        low, high = signal.low - width, signal.high + width
        return held_out[(held_out.mass >= low) & (held_out.mass < high)]
    seen = method.seen(data[:1])
    return EventTable(
        number, mass, drawn, seen.names, seen.units, None, "template",
        identity=identity.astype(np.uint64),
    )  # fmt: skip
