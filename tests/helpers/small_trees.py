"""Quick boosted trees."""

from anode.classifiers.config import TreesConfig

TREES = TreesConfig(
    name="hgb",
    validation=0.5,
    members=4,
    max_iter=40,
    learning_rate=0.1,
    max_leaf_nodes=16,
    min_samples_leaf=20,
    l2_regularization=0.0,
    patience=5,
    features_per_member=None,
    features_always=0,
)
