"""The commands: what each does, what configures it, which functions it calls, and an example."""

from typing import NamedTuple


class Command(NamedTuple):
    """One command; modules are imported when it runs.

    Attributes:
        summary: description in one sentence.
        config: file of ``configs/`` that it starts from.
        parse: function, as "module:function", from Hydra's configuration to a checked one.
        function: function, as "module:function", of the checked configuration.
        examples: command lines, the simplest first.
    """

    summary: str
    config: str
    parse: str
    function: str
    examples: tuple[str, ...]


_RUN = "anode.pipeline.runs.config:parse_run"
_STAGES = "anode.pipeline.runs.stages"
_SEARCH = "anode.pipeline.search"
_DATASETS = "anode.pipeline.datasets"
_STUDIES = "anode.pipeline.studies"
_ASSISTANT = "anode.assistant"

# A name of two words is a command with one below it: anode assistant mcp.
COMMANDS: dict[str, Command] = {
    "run": Command(
        "Prepare, train, score and evaluate in one go; resumable.",
        "run",
        _RUN,
        f"{_STAGES}:run",
        (
            "anode run experiment=anode seed=2",
            "anode run data=lhco_features data.path=FILE method=cathode run_dir=DIR",
            "anode run --multirun seed=1,2,3 run_dir=DIR hydra/launcher=joblib",
        ),
    ),
    "train": Command(
        "Fit the densities of a run, or finish an interrupted fit.",
        "run",
        _RUN,
        f"{_STAGES}:train",
        ("anode train experiment=anode run_dir=results/anode/mine",),
    ),
    "score": Command(
        "Score a trained run's events, or any file, or with another average over epochs.",
        "score",
        "anode.pipeline.scoring.score:parse_score",
        "anode.pipeline.scoring.score:score",
        (
            "anode score run_dir=results/anode/mine",
            "anode score run_dir=DIR ensemble.mode=best output=OTHER_DIR",
            "anode score run_dir=DIR data=lhco_features data.path=FILE output=FILE",
            "anode score run_dir=DIR data=lhco_features data.path=FILE output=scores.csv",
        ),
    ),
    "serve": Command(
        "Serve the scores of a finished run or scan over HTTP.",
        "serve",
        "anode.service.settings:parse_serve",
        "anode.service.serve:serve",
        (
            "anode serve run_dir=results/anode/mine",
            "anode serve run_dir=DIR host=0.0.0.0 port=8080 token_file=FILE workers=2",
        ),
    ),
    "assistant analyse": Command(
        "Describe, search, check, score and report a file, with a transcript; resumable.",
        "search",
        f"{_ASSISTANT}.analyse:parse_analyse",
        f"{_ASSISTANT}.analyse:analyse",
        (
            "anode assistant analyse data=lhco_features data.path=FILE run_dir=DIR",
            "anode assistant analyse experiment=search run_dir=results/assistant/bundled",
        ),
    ),
    "assistant mcp": Command(
        "Offer the tools of the analysis to clients of the Model Context Protocol.",
        "assistant_mcp",
        f"{_ASSISTANT}.settings:parse_mcp",
        f"{_ASSISTANT}.serve:mcp",
        (
            "anode assistant mcp root=DIR",
            "anode assistant mcp root=DIR transport=http port=8001",
        ),
    ),
    "assistant chat": Command(
        "Let a language model behind an OpenAI-compatible address answer with the tools.",
        "assistant_chat",
        f"{_ASSISTANT}.settings:parse_chat",
        f"{_ASSISTANT}.chat:chat",
        ("anode assistant chat endpoint=URL model=NAME question=TEXT root=DIR",),
    ),
    "evaluate": Command(
        "Judge a scored run again: metrics, curves and figures.",
        "run",
        _RUN,
        f"{_STAGES}:evaluate",
        ("anode evaluate experiment=anode run_dir=results/anode/mine",),
    ),
    "search": Command(
        "Search unlabelled events for a resonance at any mass: where, how significant.",
        "search",
        f"{_SEARCH}.config:parse_search",
        f"{_SEARCH}.search:search",
        (
            "anode search data=lhco_features data.path=FILE run_dir=DIR",
            "anode search experiment=search run_dir=results/search/bundled",
        ),
    ),
    "report": Command(
        "Make the report of a finished search: a page that stands alone, Markdown, figures.",
        "report",
        f"{_SEARCH}.report:parse_report",
        f"{_SEARCH}.report:report",
        ("anode report run_dir=results/search/bundled",),
    ),
    "compare": Command(
        "Compare several runs in one table and figures; or a whole study, made first.",
        "compare",
        f"{_STUDIES}.compare:parse_compare",
        f"{_STUDIES}.compare:compare",
        (
            "anode compare 'runs=[results/anode/sweep/*]' output=results/anode/sweep_comparison",
            "anode compare study=family",
        ),
    ),
    "calibrate": Command(
        "Are the numbers of a search right? Many searches on samples of known truth.",
        "calibrate",
        "anode.pipeline.calibration.config:parse_calibrate",
        "anode.pipeline.calibration.calibrate:calibrate",
        ("anode calibrate calibration=no_signal", "anode calibrate calibration=injection"),
    ),
    "acceptance": Command(
        "Do the statistics of a search hold? A table of demands, a row made by one command.",
        "acceptance",
        "anode.pipeline.calibration.acceptance:parse_acceptance",
        "anode.pipeline.calibration.acceptance:acceptance",
        ("anode acceptance", "anode acceptance 'only=[A]'"),
    ),
    "tune": Command(
        "Choose settings by objectives that read no label; trials are runs, and resume.",
        "tune",
        "anode.pipeline.studies.tuning.config:parse_tune",
        "anode.pipeline.studies.tuning.tune:tune",
        ("anode tune space=vae output=results/tune/vae n_trials=30",),
    ),
    "generate": Command(
        "Generate dijets, a zoo of signals or dark showers: Pythia, detector, jets; resumable.",
        "generate",
        f"{_DATASETS}.generate:parse_generate",
        f"{_DATASETS}.generate:generate",
        (
            "anode generate out=generated/more.h5 seed=2 n_background=50000 n_signal=0",
            "anode generate out=generated/raw.h5 n_background=1000 n_signal=100 raw=true",
            "anode generate signal=ttbar out=generated/ttbar.h5 n_background=0 n_signal=1000",
            "anode generate process=zoo data.folder=generated/zoo",
            "anode generate process=dark_shower data.folder=generated/dark n_events=1500",
        ),
    ),
    "features": Command(
        "Make jets, substructure and m_jj of raw particles; resumable.",
        "features",
        f"{_DATASETS}.features:parse_features",
        f"{_DATASETS}.features:features",
        (
            "anode features data=lhco_raw data.path=FILE output=FILE",
            "anode features data.path=FILE output=FILE layout=lhco data.jets.axes=kt",
        ),
    ),
    "explore": Command(
        "Print and draw what is in a file, before anything is fitted; a broken one too.",
        "explore",
        f"{_DATASETS}.explore:parse_explore",
        f"{_DATASETS}.explore:explore",
        (
            "anode explore output=results/explore/bundled",
            "anode explore data=lhco_features data.path=FILE output=DIR",
            "anode explore data=dark_sector data.path=DIR output=DIR",
        ),
    ),
    "classify": Command(
        "Train classifiers on each dark sector, test each on all; resumable.",
        "classify",
        f"{_STUDIES}.dark_classifiers.config:parse_classify",
        f"{_STUDIES}.dark_classifiers.classify:classify",
        (
            "anode classify data.path=DIR output=DIR",
            "anode classify data.path=DIR output=DIR 'classifiers=[trees]' 'seeds=[1,2,3,4,5]'",
        ),
    ),
    "dark_anomalies": Command(
        "Find jets of dark sectors without learning them: anomaly scores; resumable.",
        "dark_anomalies",
        f"{_STUDIES}.dark_anomalies.config:parse_anomalies",
        f"{_STUDIES}.dark_anomalies.study:dark_anomalies",
        (
            "anode dark_anomalies data.path=DIR output=DIR",
            "anode dark_anomalies data.path=DIR output=DIR density=maf s_over_b=0.01",
        ),
    ),
    "dark_search": Command(
        "Search for a Z' to dark quarks over QCD, with and without its shower; resumable.",
        "dark_search",
        f"{_STUDIES}.dark_search.config:parse_dark_search",
        f"{_STUDIES}.dark_search.study:dark_search",
        ("anode dark_search data.background=FILE data.signal=FILE output=DIR",),
    ),
    "download": Command(
        "Fetch a public data set, whole and checked; resumable.",
        "download",
        f"{_DATASETS}.download:parse_download",
        f"{_DATASETS}.download:download",
        ("anode download", "anode download dataset=rnd_features"),
    ),
    "reproduce": Command(
        "Make every number we quote again; finished runs are kept.",
        "reproduce",
        f"{_STUDIES}.reproduce:parse_reproduce",
        f"{_STUDIES}.reproduce:reproduce",
        ("anode reproduce", "anode reproduce 'only=[full,ablation]'"),
    ),
    "benchmark": Command(
        "Measure how fast fits and scores are, side by side with other packages.",
        "benchmark",
        "anode.benchmark.benchmark:parse_benchmark",
        "anode.benchmark.benchmark:benchmark",
        ("anode benchmark output=results/benchmark",),
    ),
}
