"""Every configuration file composes, and wrong keys and values are refused by name."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from hydra.utils import get_original_cwd  # noqa: F401  (registers Hydra's resolvers)
from omegaconf import OmegaConf

from anode.errors import ConfigError
from anode.pipeline.datasets.explore import parse_explore
from anode.pipeline.runs import config as configuration
from anode.pipeline.scoring.score import parse_score
from anode.regions.injection import InjectionConfig
from helpers.settings import REPOSITORY

CONFIGS = REPOSITORY / "configs"
GROUPS = sorted(
    p
    for p in CONFIGS.iterdir()
    if p.is_dir()
    and p.name not in ("study", "calibration", "space", "process", "set_classifier", "signal")
)
CHOICES = [(group.name, path.stem) for group in GROUPS for path in sorted(group.glob("*.yaml"))]


NAMED = "data.columns={mass: m_jj, features: {alpha: alpha}, label: null, event_id: null}"


def composed(*overrides: str, name: str = "run"):
    with initialize_config_dir(str(CONFIGS), version_base=None):
        return compose(name, overrides=["run_dir=somewhere", *overrides])


def parsed(*overrides: str) -> configuration.RunConfig:
    return configuration.from_mapping(configuration.resolve(composed(*overrides)))


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_of_every_group_composes(group, choice):
    needs_path = group == "data" and choice not in ("bundled", "toy")
    extra = ["data.path=somewhere"] if needs_path else []
    if choice == "table":
        extra.append(NAMED)
    if group == "representation":
        extra.append("data=bundled_particles")
    if (group, choice) == ("trainer", "representation"):
        extra.append("ensemble.size=1")
    assert parsed(f"{group}={choice}", *extra).run_dir == "somewhere"


def test_the_defaults_are_the_contract():
    config = parsed()
    assert config.features == ["mj1", "delta_mj", "tau21_1", "tau21_2"]
    assert config.regions.signal == [3300.0, 3700.0]
    assert config.regions.sidebands == [[None, 3300.0], [3700.0, None]]
    assert (config.ensemble.mode, config.ensemble.size) == ("last", 10)
    assert config.trainer.weight_decay == 1e-6


@pytest.mark.parametrize(
    ("overrides", "n_signal"),
    [
        ([], 780),
        (["density=maf", "seed=3"], 780),
        (["data=toy"], 1000),
        (["experiment=toy"], 20_000),
        (["data.path=own.h5"], None),
        (["data=lhco_features", "data.path=own.h5"], None),
        (["data=arrays", "data.path=folder"], None),
        (["data=arrays", "data.path=folder", "injection.n_signal=5"], 5),
    ],
)
def test_signal_is_injected_into_bundled_and_toy_events_alone_unless_asked(overrides, n_signal):
    assert parsed(*overrides).injection == InjectionConfig(n_signal, None)
    searched = configuration.resolve(composed(*overrides, name="search"))
    assert searched["injection"]["n_signal"] == n_signal


def test_sidebands_follow_the_signal_region_unless_given(tmp_path):
    config = parsed("regions.signal=[3200,3600]")
    assert config.regions.sidebands == [[None, 3200.0], [3600.0, None]]
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    saved = OmegaConf.load(tmp_path / "config.yaml")
    assert saved.regions.sidebands == [[None, 3200.0], [3600.0, None]]
    assert configuration.load_run(tmp_path / "config.yaml").identity == config.identity
    given = parsed("regions.sidebands=[[3000,3250],[3750,null]]")
    assert given.regions.sidebands == [[3000.0, 3250.0], [3750.0, None]]
    with pytest.raises(ConfigError, match=r"regions\.signal must be bounded on both sides"):
        parsed("regions.signal=[3200,null]")
    with pytest.raises(ConfigError, match=r"regions\.signal must be two numbers"):
        parsed("regions.signal=[3200]")


def test_all_features_of_a_table_are_used_unless_some_are_chosen():
    asked = ["data=table", "data.path=own.csv", "data.columns.mass=m"]
    asked.append("data.columns.features={alpha: a, beta: b, gamma: c}")
    assert parsed(*asked).features == ["alpha", "beta", "gamma"]
    assert parsed(*asked, "features=[gamma,alpha]").features == ["gamma", "alpha"]
    columns = parsed(*asked).data.columns
    assert (columns.mass, columns.label, columns.event_id) == ("m", None, None)
    with pytest.raises(ConfigError, match=r"type for instance 'data\.columns="):
        parsed("data=table", "data.path=own.csv")


def test_arrays_with_delta_r_are_a_choice_of_their_own():
    plain = parsed("data=arrays", "data.path=folder")
    wide = parsed("data=cathode_delta_r", "data.path=folder")
    assert wide.data == plain.data
    assert wide.features == [*plain.features, "delta_r"]


@pytest.mark.parametrize("data", ["bundled", "toy", "lhco_features", "table"])
def test_data_of_any_choice_are_explored_and_scored(data):
    """Though some choices set keys that runs alone have."""
    own_file = [] if data in ("bundled", "toy") else ["data.path=own.h5"]
    asked = [f"data={data}", *own_file, *([NAMED] if data == "table" else [])]
    with initialize_config_dir(str(CONFIGS), version_base=None):
        explored = parse_explore(compose("explore", [*asked, "output=out"]))
        scored = parse_score(compose("score", [*asked, "run_dir=run", "output=out"]))
    assert explored.data == scored.data == parsed(*asked).data


def test_the_paper_recipe_is_the_published_one():
    config = parsed("experiment=anode_paper")
    trainer, density = config.trainer, config.density
    assert (trainer.epochs, trainer.batch_size, trainer.learning_rate) == (100, 256, 1e-4)
    assert (density.n_transforms, density.hidden_features, density.n_blocks) == (15, 128, 1)
    assert density.batch_norm
    assert not density.context_affine
    assert (config.ensemble.mode, config.ensemble.size) == ("best", 10)


def test_an_unknown_key_is_refused():
    with pytest.raises(ConfigCompositionException, match="epoch_count"):
        composed("trainer.epoch_count=3")
    with pytest.raises(ConfigError, match=r"unknown key trainer\.epoch_count; expected epochs"):
        parsed("+trainer.epoch_count=3")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.epochs=many", r"trainer\.epochs must be of type int, got 'many'"),
        ("trainer.epochs=0", r"trainer\.epochs must be above 0"),
        ("trainer.epochs=2.5", r"trainer\.epochs must be of type int"),
        ("trainer.schedule=cosine", r"trainer\.schedule must be"),
        ("ensemble.mode=first", r"ensemble\.mode must be"),
        ("ensemble.size=0", r"(ensemble.size|trainer.keep) must be"),
        ("ensemble.size=21", r"ensemble\.size=21 must not exceed .*trainer\.epochs=20"),
        ("trainer.keep=9", r"ensemble\.size=10 must not exceed .*trainer\.keep=9"),
        ("split.folds=1", r"split\.folds must be at least 2"),
        ("split.validation=1.5", r"split\.validation must lie in"),
        ("density.backend=jax", r"density\.backend must be"),
        ("density.name=glow", r"density\.name must be one of"),
        ("device=tpu", "device must be"),
        ("+tracker.x=1", "tracker"),
        ("tracker=mlflow", "tracker"),
        ("n_jobs=0", "n_jobs must be at least 1"),
        ("features=[]", "features must be named once"),
        ("features=[mj1,mj1]", "features must be named once"),
        ("data=lhco_features", r"needs data\.path"),
        ("data.reader=root", r"data\.reader must be"),
        ("data.n_background=-1", r"data\.n_background must not be negative"),
        ("evaluation.n_bootstrap=0", r"evaluation\.n_bootstrap must be"),
        ("regions.signal=3300", r"regions\.signal must be a list"),
    ],
)
def test_wrong_values_are_refused_by_key(override, message):
    with pytest.raises((ConfigError, ConfigCompositionException), match=message):
        parsed(override)


@pytest.mark.parametrize(
    ("method", "path"), [("r_anode", ""), ("combination", "members.r_anode.")]
)
def test_an_ensemble_larger_than_the_epochs_of_a_methods_own_fits_is_refused(method, path):
    with pytest.raises(ConfigError, match=r"ensemble\.size=10 must not exceed .*epochs=4"):
        parsed(f"method={method}", f"method.{path}trainer.epochs=4")


def test_a_network_that_averages_more_epochs_than_it_makes_is_refused():
    with pytest.raises(ConfigError, match=r"classifier\.trainer\.epochs must be at least"):
        parsed("classifier=mlp", "classifier.trainer.epochs=4")


@pytest.mark.parametrize(
    ("method", "key"),
    [("r_anode", "method.density"), ("combination", "method.members.r_anode.density")],
)
def test_a_density_that_a_method_cannot_have_is_refused(method, key):
    """A coupling flow has nothing to couple in one feature."""
    with pytest.raises(ConfigError, match="coupling"):
        parsed(f"method={method}", f"density@{key}=coupling_rqs", "features=[mj1]")


def test_a_saved_configuration_comes_back_equal(tmp_path):
    config = parsed("data=toy", "split=holdout", "density=maf_rqs", "seed=4")
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml())
    assert configuration.load_run(path) == config


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("experiment/*.yaml")), ids=lambda p: p.stem)
def test_an_experiment_names_its_command(path: Path):
    assert f"experiment={path.stem}" in "".join(path.read_text().splitlines(keepends=True)[:2])


@pytest.mark.parametrize("launcher", ["joblib", "submitit_slurm", "submitit_local"])
def test_launchers_compose(launcher):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    with initialize_config_dir(str(CONFIGS), version_base=None):
        raw = compose("run", [f"hydra/launcher={launcher}"], return_hydra_config=True)
    assert launcher.split("_")[0] in raw.hydra.launcher._target_.lower()
