"""Tuning with Optuna: trials are runs, their objective reads no label, and they resume.

Trials and their values lie in a journal, which several processes share; the folder of a run hangs
on its settings, so that an interrupted trial goes on where it was. Labels, if there are any, are
opened when all trials are done, to say how the objective is related to what it stands for.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from anode import io, progress
from anode.errors import RunDirectoryError, TrainingError, needs_extra
from anode.parallel import stream_jobs
from anode.pipeline.runs import stages
from anode.pipeline.studies.tuning.config import OBJECTIVES, Range, TuneConfig
from anode.pipeline.studies.tuning.objectives import FIT_NAMES, events_of, objective_of
from anode.pipeline.studies.tuning.summary import Trial, write_summary
from anode.seeding import stream_seed
from anode.training.watch import watching

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

STUDY = "tuning"


class _Worker(NamedTuple):
    config: TuneConfig
    number: int


def tune(config: TuneConfig) -> None:
    """Make the trials that are missing; write ``best.yaml``, ``trials.json`` and ``tuning.png``.

    Raises:
        ConfigError: an override or a key of the space is wrong, before any trial.
        RunDirectoryError: ``output`` is of another tuning.
    """
    _claim(config)
    study = _study(config, 0)
    _retry(study)
    jobs = [_Worker(config, number) for number in range(config.n_jobs)]
    with progress.task("trials", total=config.n_trials, unit="trials") as bar:
        bar.update(_n_done(study))
        for made in stream_jobs(_work, jobs, n_jobs=config.n_jobs, threads=1):
            bar.update(made)
    write_summary(config, trials_of(config))


def trials_of(config: TuneConfig) -> list[Trial]:
    """All trials of the journal that have ended, in their order."""
    with needs_extra("tune", "anode tune"):
        import optuna

    found = []
    for trial in _study(config, 0).get_trials(deepcopy=False):
        if trial.state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED):
            complete = trial.state == optuna.trial.TrialState.COMPLETE
            values = tuple(_override(key, value) for key, value in trial.params.items())
            found.append(
                Trial(
                    trial.number,
                    values,
                    trial.value if complete else None,
                    str(_folder(config, values)),
                )
            )
    return found


def _claim(config: TuneConfig) -> None:
    """Make the folder that of these settings, and refuse impossible ones before work starts."""
    path = Path(config.output) / "tuning.json"
    if path.is_file():
        if io.read_json(path) != json.loads(json.dumps(config.identity)):
            raise RunDirectoryError(
                f"{config.output} holds a tuning of other overrides, space, objective or seed; "
                "choose another output, or delete it"
            )
    else:
        io.write_json(path, config.identity, sealed=True)
    first = [_override(key, _first(one)) for key, one in config.space.items()]
    config.run(first, str(_folder(config, first)))


def _first(one: Range) -> Any:
    if one.choices is not None:
        return one.choices[0]
    return int(one.low or 0) if one.integer else one.low


def _study(config: TuneConfig, worker: int) -> "optuna.Study":
    with needs_extra("tune", "anode tune"):
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(Path(config.output) / "journal.log")))
    seed = stream_seed(config.seed, "sampler", worker) % 2**32
    pruner: Any = optuna.pruners.NopPruner()
    if config.prune:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=config.n_startup)
    return optuna.create_study(
        study_name=STUDY,
        storage=storage,
        direction=OBJECTIVES[config.objective],
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=config.n_startup),
        pruner=pruner,
        load_if_exists=True,
    )


def _retry(study: "optuna.Study") -> None:
    """Queue the trials of an interrupted call again; their runs go on where they were."""
    import optuna

    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, skip_if_exists=True)


def _n_done(study: "optuna.Study") -> int:
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return len(study.get_trials(deepcopy=False, states=states))


def _work(worker: _Worker) -> int:
    """Trials until there are enough; how many this process made."""
    import optuna

    config, made = worker.config, 0
    study = _study(config, worker.number)
    counted = (
        optuna.trial.TrialState.COMPLETE,
        optuna.trial.TrialState.PRUNED,
        optuna.trial.TrialState.RUNNING,
    )
    while len(study.get_trials(deepcopy=False, states=counted)) < config.n_trials:
        trial = study.ask()
        try:
            value = _value(config, trial)
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        except TrainingError as error:
            log.warning("trial %d failed: %s", trial.number, error)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)
        made += 1
    return made


def _value(config: TuneConfig, trial: "optuna.Trial") -> float:
    import optuna

    values = [_override(key, _suggest(trial, key, one)) for key, one in config.space.items()]
    run = config.run(values, str(_folder(config, values)))

    def report(name: str, epoch: int, loss: float) -> None:
        if name in FIT_NAMES and config.prune and config.objective == "validation_loss":
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

    with watching(report):
        prepared, held_out = events_of(run)
        stages.train(run, prepared)
    return objective_of(config.objective, run, prepared, held_out)


def _suggest(trial: "optuna.Trial", key: str, one: Range) -> Any:
    if one.choices is not None:
        return trial.suggest_categorical(key, one.choices)
    assert one.low is not None  # or the space was refused
    assert one.high is not None
    if one.integer:
        return trial.suggest_int(key, int(one.low), int(one.high), log=one.log)
    return trial.suggest_float(key, one.low, one.high, log=one.log)


def _override(key: str, value: Any) -> str:
    return f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}"


def _folder(config: TuneConfig, values: Sequence[str]) -> Path:
    name = io.sha256_text("\n".join(values))[:12]
    return Path(config.output) / "trials" / name
