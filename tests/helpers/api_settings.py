"""Quick settings of public models, as keywords and as overrides of the commands."""

from typing import Any

TREES = {"name": "hgb", "members": 2, "max_iter": 15}
QUICK: dict[str, Any] = {
    "signal": (3400, 3600),
    "folds": 2,
    "seed": 3,
    "density": {"name": "made_mog", "hidden_features": 16, "n_components": 3},
    "epochs": 3,
    "batch_size": 256,
    "ensemble": 2,
    "logit": False,
    "classifier": TREES,
}
OVERRIDES = [
    "regions.signal=[3400,3600]",
    "regions.sidebands=[[null,3400],[3600,null]]",
    "split.folds=2",
    "seed=3",
    "density=made_mog",
    "density.hidden_features=16",
    "density.n_components=3",
    "trainer.epochs=3",
    "trainer.batch_size=256",
    "ensemble.size=2",
    "preprocessing.logit=false",
    "classifier=hgb",
    "classifier.members=2",
    "classifier.max_iter=15",
    "n_jobs=1",
    "store=null",
    "tracker=none",
    "figures=false",
]
"""The same to a command."""

OWN: dict[str, dict[str, Any]] = {
    "r_anode": {"fits": 2, "method_trainer": {"epochs": 3}, "method_density": {"n_components": 3}},
    "isolation_forest": {"trees": 20},
    "autoencoder": {"representation": {"name": "ae", "trainer": {"epochs": 2}}},
    "single_feature": {"feature": "x1"},
    "combination": {"members": {"anode": {}, "cwola": {}}},
}
"""Method -> settings of its own that make it quick."""

OWN_OVERRIDES = {
    "r_anode": ["method.fits=2", "method.trainer.epochs=3", "method.density.n_components=3"],
    "isolation_forest": ["method.trees=20"],
    "autoencoder": ["representation=ae", "representation.trainer.epochs=2"],
    "single_feature": ["method.feature=x1"],
    "combination": [
        "~method@method.members.r_anode",
        "~method@method.members.cathode",
        "~method@method.members.lacathode",
        "+method@method.members.cwola=cwola",
    ],
}
