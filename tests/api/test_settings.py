"""Keywords of models: defaults of configs/, each at its key, and what is unknown is refused."""

import dataclasses

import numpy as np
import pytest

from anode import Anode, Combination, Model, RAnode
from anode.api.settings import KEYS, keywords_of
from anode.errors import ConfigError
from anode.methods.build import METHODS
from anode.pipeline.runs.config import compose_run

CLASSES = {cls.method: cls for cls in Model.__subclasses__()}
OTHERS = ("n_jobs", "store")
"""What is another where nobody waits and there is no folder."""


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_those_of_the_command(name):
    config = dataclasses.asdict(compose_run([f"method={name}"], "x"))
    found = CLASSES[name]().settings
    assert set(config) - set(found) == {
        "run_dir", "data", "injection", "distortion", "tracker", "figures"}  # fmt: skip
    assert {k: v for k, v in config.items() if k in found and k not in OTHERS} == {
        k: v for k, v in found.items() if k not in OTHERS}  # fmt: skip
    own = CLASSES[name]().settings["method"]
    assert own["name"] == name


@pytest.mark.parametrize("name", METHODS)
def test_the_class_names_every_setting_of_its_own(name):
    own = set(keywords_of(name)) - set(KEYS)
    text = " ".join(CLASSES[name].__doc__.split())
    assert [key for key in own if f"``{key}``" not in text] == []


@pytest.mark.parametrize(
    ("keyword", "value", "path", "expected"),
    [
        ("signal", (np.float64(3200), 3600), "regions.signal", [3200.0, 3600.0]),
        ("signal", np.array([3200, 3600]), "regions.sidebands", [[None, 3200.0], [3600.0, None]]),
        ("sidebands", [(3000, 3200), (3800, None)], "regions.sidebands",
         [[3000.0, 3200.0], [3800.0, None]]),
        ("features", ("a", "b"), "features", ["a", "b"]),
        ("folds", np.int64(3), "split.folds", 3),
        ("seed", 5, "seed", 5),
        ("density", "made_mog", "density.name", "made_mog"),
        ("density", {"name": "made_mog", "n_components": 3}, "density.n_components", 3),
        ("trainer", "paper", "trainer.epochs", 100),
        ("trainer", {"name": "paper", "epochs": 50}, "trainer.epochs", 50),
        ("trainer", {"patience": 3}, "trainer.patience", 3),
        ("epochs", 12, "trainer.epochs", 12),
        ("batch_size", 99, "trainer.batch_size", 99),
        ("learning_rate", 1e-3, "trainer.learning_rate", 1e-3),
        ("ensemble", 5, "ensemble.size", 5),
        ("ensemble", 5, "trainer.keep", 5),
        ("ensemble", {"mode": "best"}, "ensemble.mode", "best"),
        ("logit", False, "preprocessing.logit", False),
        ("preprocessing", {"standardise": False}, "preprocessing.standardise", False),
        ("split", "holdout", "split.mode", "holdout"),
        ("split", {"sideband_folds": 2}, "split.sideband_folds", 2),
        ("classifier", "mlp", "classifier.name", "mlp"),
        ("classifier", {"name": "mlp", "trainer": {"epochs": 30}},
         "classifier.trainer.epochs", 30),
        ("evaluation", {"n_closure": 9}, "evaluation.n_closure", 9),
        ("warm_start", False, "method.warm_start", False),
        ("threads", 2, "threads", 2),
        ("store", "somewhere", "store", "somewhere"),
        ("n_jobs", 3, "n_jobs", 3),
    ],
)  # fmt: skip
def test_a_keyword_sets_its_key(keyword, value, path, expected):
    found = Anode(**{keyword: value}).settings
    for key in path.split("."):
        found = found[key]
    assert found == expected


def test_settings_of_the_residual_density_have_names_of_their_own():
    found = RAnode(
        density="maf", method_density={"name": "maf", "n_transforms": 2}, method_trainer="paper"
    ).settings
    assert found["density"]["name"] == found["method"]["density"]["name"] == "maf"
    assert found["method"]["density"]["n_transforms"] == 2
    assert found["method"]["trainer"]["epochs"] == 100
    assert found["trainer"]["epochs"] == RAnode().settings["trainer"]["epochs"]


def test_members_are_named_or_set():
    named = Combination(members=["anode", "cwola"]).settings["method"]["members"]
    assert {name: member["name"] for name, member in named.items()} == {
        "anode": "anode", "cwola": "cwola"}  # fmt: skip
    members = {"r_anode": {"fits": 1}, "cwola": {"strip": 50.0}}
    found = Combination(members=members).settings["method"]["members"]
    assert found["r_anode"]["fits"] == 1
    assert found["cwola"]["strip"] == 50.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, r"method=anode has no setting 'epoch'; did you mean epochs\?; it has "),
        ({"strip": 3.0}, r"method=anode has no setting 'strip'"),
        ({"density": "mfa"}, r"density must be one of .*, got 'mfa'; did you mean maf\?"),
        (
            {"density": {"n_transfroms": 3}},
            r"unknown key density\.n_transfroms, .*did you mean n_",
        ),
        ({"trainer": {"epoch": 3}}, r"unknown key trainer\.epoch, .*did you mean epochs\?"),
        ({"classifier": "trees"}, "classifier must be one of hgb, linear, mlp, got 'trees'"),
        ({"split": "kfolds"}, r"split must be one of .*did you mean kfold\?"),
        ({"epochs": "many"}, r"trainer\.epochs must be of type int, got 'many'"),
        ({"signal": 3300}, r"regions\.signal must be a list, got 3300"),
        ({"signal": (3700, 3300)}, "needs low < high"),
        ({"signal": (None, 3300)}, "must be bounded on both sides"),
        ({"folds": 1}, r"split\.folds must be at least 2"),
        ({"epochs": 3}, r"ensemble\.size=10 must not exceed .*trainer\.epochs=3"),
        ({"method": "cwola"}, r"method=NAME is for Model itself"),
        ({"device": "gpu"}, "device must be 'cpu', 'cuda' or 'auto'"),
    ],
)
def test_wrong_settings_are_refused_when_a_model_is_made(settings, message):
    with pytest.raises(ConfigError, match=message) as raised:
        Anode(**settings)
    assert "\n" not in str(raised.value)


def test_a_wrong_method_or_member_is_refused():
    with pytest.raises(ConfigError, match=r"method must be one of .*did you mean anode\?"):
        Model(method="anod")
    with pytest.raises(ConfigError, match="method=NAME is for Model itself"):
        Model()
    with pytest.raises(ConfigError, match=r"members must be of .*did you mean cwola\?"):
        Combination(members=["anode", "cwolla"])
    with pytest.raises(ConfigError, match="must be at least two methods"):
        Combination(members=["anode"])
