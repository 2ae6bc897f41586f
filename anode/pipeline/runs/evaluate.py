"""Evaluation of a run's scores: ``metrics.json``, ``curves.h5`` and, if wanted, figures."""

import logging
from pathlib import Path

import numpy as np

from anode import io
from anode.density.ensemble import EnsembleConfig
from anode.errors import AnodeError, DataError, SamplingError
from anode.evaluation.closure import Closure, closure
from anode.evaluation.curves import Performance, performance
from anode.evaluation.followed import followed
from anode.evaluation.pass_rate_flatness import sculpting
from anode.evaluation.run_metrics import RunMetrics
from anode.evaluation.selected_features import Spread, selection
from anode.events.readers.particle_group import ParticleGroup, has_particles
from anode.events.table import EventTable
from anode.methods.base import AnomalyMethod
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.prepare import Prepared
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.runs.score_file import DATA, Scored
from anode.regions.windows import SignalCounts, signal_counts
from anode.reporting.common.style import save_figure
from anode.reporting.run.check_figures import LossHistory, losses_figure, mass_figure
from anode.reporting.run.closure_figure import closure_figure
from anode.reporting.run.score_figures import roc_figure, score_figure, sic_figure
from anode.seeding import stream, stream_seed
from anode.statistics.counting.pass_rate import FlatnessTest
from anode.training.checkpoints import read_result
from anode.training.store import saved_seconds

log = logging.getLogger(__name__)


def evaluate_scores(
    config: RunConfig,
    directory: RunDirectory,
    prepared: Prepared,
    method: AnomalyMethod,
    scored: Scored,
) -> None:
    """Write everything that says how good the scores are; ``metrics.json`` last, as the sign
    that the run is complete."""
    result = _performance(config, scored)
    counts = (
        None if prepared.data.label is None else signal_counts(prepared.data, prepared.regions)
    )
    _drop_others(directory)
    if result is None:
        directory.curves.unlink(missing_ok=True)
    else:
        io.write_hdf5(directory.curves, result.sic._asdict(), {"method": config.method.name})
    closed = _closure(config, directory, prepared, method)
    if config.figures:
        _draw(directory, prepared, method, scored, result, counts)
    io.write_json(
        directory.metrics,
        _metrics(config, directory, prepared, method, scored, result, counts, closed).to_json(),
        sealed=True,
    )


def _drop_others(directory: RunDirectory) -> None:
    """Remove former metrics, and what else there is of other scores."""
    try:
        of_these = directory.metrics.is_file() and directory.is_judged()
    except AnodeError:  # damaged, and made anew
        of_these = False
    if not of_these:
        directory.drop_results()
    directory.metrics.unlink(missing_ok=True)


def _metrics(
    config: RunConfig,
    directory: RunDirectory,
    prepared: Prepared,
    method: AnomalyMethod,
    scored: Scored,
    result: Performance | None,
    counts: SignalCounts | None,
    closed: Closure | None,
) -> RunMetrics:
    """The numbers of ``metrics.json``."""
    events = prepared.for_fits()
    extra = method.extra_metrics(scored.parts, scored.sample == DATA)
    manifest = directory.read_manifest()
    data, score = _scored_data(prepared, scored)
    metrics = RunMetrics(
        method=config.method.name,
        seed=config.seed,
        n_data_sr=len(events.signal_region),
        n_data_sb=len(events.sidebands),
        n_injected_sr=None if counts is None else counts.n_signal,
        s_over_b=None if counts is None else counts.s_over_b,
        s_over_sqrt_b=None if counts is None else counts.s_over_sqrt_b,
        n_dropped=prepared.n_dropped,
        n_copies=prepared.n_copies,
        n_clipped=int(scored.outside.sum()),
        n_scored_data=int(np.sum(scored.sample == DATA)),
        closure=None if closed is None else {c.name: c.ks_statistic for c in closed.features},
        sculpting=_sculpting(prepared, scored),
        selection=_selection(data, score),
        follows=_follows(data, score, config.particles_file),
        held_out_loss=_held_out_loss(method),
        uses_truth=method.uses_truth,
        signal_fraction=extra.signal_fraction,
        signal_fraction_error=extra.signal_fraction_error,
        signal_fraction_by_fold=extra.signal_fraction_by_fold,
        likelihood_gain=extra.likelihood_gain,
        other=extra.other,
        true_signal_fraction=None if counts is None else counts.fraction,
        seconds=_total(directory, "seconds", manifest.seconds),
        cpu_seconds=_total(directory, "cpu_seconds", manifest.cpu_seconds),
        file_sha256=directory.hashes(),
    )
    return metrics if result is None else metrics.with_performance(result)


def _performance(config: RunConfig, scored: Scored) -> Performance | None:
    """ROC and SIC of the labelled test events; None without truth or with one class alone."""
    if scored.label is None or len(np.unique(scored.label)) < 2:
        return None
    return performance(
        scored.score,
        scored.label,
        stream(config.seed, "bootstrap"),
        n_bootstrap=config.evaluation.n_bootstrap,
    )


def _sculpting(prepared: Prepared, scored: Scored) -> dict[str, FlatnessTest]:
    """Of background alone where truth is known, else of all data."""
    tested = scored.sample == DATA if scored.label is None else scored.label == 0
    window = prepared.regions.signal
    return sculpting(scored.mass[tested], scored.score[tested], (window.low, window.high))


def _selection(events: EventTable, score: np.ndarray) -> dict[str, dict[str, Spread]]:
    """Of the data events that were scored."""
    return selection(events.features, events.names, score, events.label)


def _follows(
    events: EventTable, score: np.ndarray, particles: Path | None
) -> dict[str, float] | None:
    """Of background among the data events where truth is known, else of all of them."""
    if events.label is not None:
        score, events = score[events.label == 0], events[events.label == 0]
    columns = {"mass": events.mass, **{name: events.column(name) for name in events.names}}
    if particles is not None and _holds_particles(particles):
        columns["n_particles"] = ParticleGroup(particles).multiplicity(events.event_id)
    return followed(score, columns) or None


def _holds_particles(path: Path) -> bool:
    """Whether a file, of any format, is one with particles."""
    try:
        return has_particles(path)
    except DataError:  # of another format
        return False


def _scored_data(prepared: Prepared, scored: Scored) -> tuple[EventTable, np.ndarray]:
    """The data events of the signal region, in the order of the scores, and these."""
    region = prepared.data[prepared.in_signal_region()]
    in_data = scored.sample == DATA
    order = np.argsort(region.event_id)
    rows = order[np.searchsorted(region.event_id, scored.event_id[in_data], sorter=order)]
    return region[rows], scored.score[in_data]


def _total(directory: RunDirectory, key: str, seconds: dict[str, float]) -> float:
    """Seconds of training and scoring, interruptions left out, and of fits that were copied."""
    own = sum(seconds.get(stage, 0.0) for stage in ("train", "score"))
    return round(own + saved_seconds(directory.checkpoints, key), 2)


def _draw(
    directory: RunDirectory,
    prepared: Prepared,
    method: AnomalyMethod,
    scored: Scored,
    result: Performance | None,
    counts: SignalCounts | None,
) -> None:
    data = scored.sample == DATA
    named = None if result is None else {method.title: result}
    signal = {
        "s_over_b": None if counts is None else counts.s_over_b,
        "s_over_sqrt_b": None if counts is None else counts.s_over_sqrt_b,
    }
    window = prepared.regions.signal
    sidebands = prepared.data.mass[prepared.regions.in_sidebands(prepared.data.mass)]
    figures = {
        "roc": roc_figure(named, **signal),
        "sic": sic_figure(named, **signal),
        "scores": score_figure(
            scored.score[data],
            None if scored.label is None else scored.score,
            scored.label,
            score_label=f"anomaly score: {method.meaning}",
        ),
        "mass": mass_figure(
            scored.mass[data],
            scored.score[data],
            signal_region=(window.low, window.high),
            label=None if scored.label is None else scored.label[data],
            unscored_mass=sidebands,
        ),
        "losses": losses_figure(loss_histories(method.directory, method.settings.ensemble)),
    }
    for name, figure in figures.items():
        save_figure(figure, directory.figures / name)


_PANELS = {
    "background": "p_bg",
    "data": "p_data",
    "signal": "p_sig",
    "classifier": "classifier",
    "representation": "representation",
}


def loss_histories(checkpoints: Path, ensemble: EnsembleConfig) -> dict[str, list[LossHistory]]:
    """Losses of all fits of a run, by what was fitted, with the epochs the ensemble averages."""
    histories: dict[str, list[LossHistory]] = {}
    for path in sorted(checkpoints.rglob("fit.json")):
        result = read_result(path.parent)
        members = tuple(c.epoch for c in result.select(ensemble.mode, ensemble.size))
        epochs = np.arange(1, len(result.train_loss) + 1)
        history = LossHistory(
            epochs, np.array(result.train_loss), np.array(result.validation_loss), members
        )
        panel = _PANELS[path.parent.name.split("_")[0]]
        histories.setdefault(panel, []).append(history)
    return histories


def _held_out_loss(method: AnomalyMethod) -> dict[str, float] | None:
    """Mean loss of validation events, by what was fitted; None where nothing was."""
    histories = loss_histories(method.directory, method.settings.ensemble)
    return {
        name: float(np.mean([fit.held_out for fit in fits])) for name, fits in histories.items()
    } or None


def _closure(
    config: RunConfig, directory: RunDirectory, prepared: Prepared, method: AnomalyMethod
) -> Closure | None:
    """Events drawn from p_bg at the masses of the signal region against the events there; None
    for a method without p_bg.

    Against background alone where truth is known, else against all data, signal included. None,
    with a warning, where the density draws no events: scores do not need them.
    """
    background = method.background_density()
    if background is None:
        return None
    reference = prepared.data[prepared.in_signal_region()]
    if reference.label is not None:
        reference = reference[reference.label == 0]
    if len(reference) < 2:
        raise DataError(f"{reference.source}: closure needs signal-region background, got none")
    chosen = stream(config.seed, "closure").choice(reference.mass, config.evaluation.n_closure)
    seed = stream_seed(config.seed, "closure events")
    try:
        generated = background.generate(chosen, seed)
    except SamplingError as error:
        log.warning("%s: closure was not tested: %s", directory.path, error)
        return None
    seen = method.seen(reference)
    result = closure(generated, seen.features, seen.names)
    if config.figures:
        figure = closure_figure(result, generated, seen.features)
        save_figure(figure, directory.figures / "closure")
    return result
