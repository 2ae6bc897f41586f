"""Settings of classifiers: boosted trees, networks of features or of sets, isolation forests."""

from dataclasses import dataclass

from anode.errors import ConfigError
from anode.training.recipe import TrainerConfig


def _check_positive(config: object, group: str, *keys: str) -> None:
    for key in keys:
        value = getattr(config, key)
        if not value > 0:
            raise ConfigError(f"{group}.{key} must be above 0, got {value}")


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings every classifier has; each adds its own.

    Attributes:
        name: name of the classifier, a key of ``CLASSIFIERS``.
        validation: fraction of the events of each class that is kept for validation.
    """

    name: str
    validation: float

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise ConfigError(f"classifier.validation must lie in (0, 1), got {self.validation}")


@dataclass(frozen=True)
class TreesConfig(ClassifierConfig):
    """An ensemble of gradient-boosted trees on histograms (Finke et al. 2309.13111).

    Attributes:
        members: number of fits averaged, each with its own draw of validation events.
        max_iter: largest number of trees of a member.
        learning_rate: factor on the values of each tree's leaves.
        max_leaf_nodes: largest number of leaves of a tree.
        min_samples_leaf: smallest number of events in a leaf.
        l2_regularization: term added to the denominator of a leaf's value.
        patience: number of trees without a lower validation loss after which a member stops.
        features_per_member: number of features that each member sees, drawn anew for each: where
            there are many, most of them noise, members of few find more (attribute bagging, Bryll
            et al. 2003; for weak supervision 2604.20965). None for all features.
        features_always: number of features, the first ones, that every member sees beside those.
    """

    members: int
    max_iter: int
    learning_rate: float
    max_leaf_nodes: int
    min_samples_leaf: int
    l2_regularization: float
    patience: int
    features_per_member: int | None = None  # runs of earlier versions have neither
    features_always: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = ("members", "max_iter", "min_samples_leaf", "patience")
        _check_positive(self, "classifier", *counts, "learning_rate")
        if self.max_leaf_nodes < 2:
            raise ConfigError(
                f"classifier.max_leaf_nodes must be at least 2, got {self.max_leaf_nodes}"
            )
        if self.features_per_member is not None:
            _check_positive(self, "classifier", "features_per_member")
        if self.features_always < 0:
            raise ConfigError(
                f"classifier.features_always must not be negative, got {self.features_always}"
            )
        if self.l2_regularization < 0:
            raise ConfigError(
                f"classifier.l2_regularization must not be negative, got {self.l2_regularization}"
            )


@dataclass(frozen=True)
class NeuralConfig(ClassifierConfig):
    """A network of equal layers with ReLU between them (CATHODE, 2109.00546).

    Attributes:
        hidden_features: width of every hidden layer.
        hidden_layers: number of hidden layers; none makes it logistic regression.
        ensemble_size: number of epochs of lowest validation loss that are averaged.
        trainer: settings of the training.
    """

    hidden_features: int
    hidden_layers: int
    ensemble_size: int
    trainer: TrainerConfig

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "classifier", "hidden_features", "ensemble_size")
        if self.hidden_layers < 0:
            raise ConfigError(
                f"classifier.hidden_layers must not be negative, got {self.hidden_layers}"
            )
        _check_ensemble(self.ensemble_size, self.trainer)


@dataclass(frozen=True)
class SetConfig(ClassifierConfig):
    """A network of sets: events are up to K members of C columns each, the last of them the mask.

    Attributes:
        members: K; events have K C features, member by member.
        ensemble_size: number of epochs of lowest validation loss that are averaged.
        trainer: settings of the training.
    """

    members: int
    ensemble_size: int
    trainer: TrainerConfig

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "classifier", "members", "ensemble_size")
        _check_ensemble(self.ensemble_size, self.trainer)


@dataclass(frozen=True)
class DeepSetConfig(SetConfig):
    """A deep set (Zaheer et al. 1703.06114; energy flow networks, Komiske et al. 1810.05165).

    Attributes:
        hidden_features: width of every hidden layer, and of the representation of a set.
        hidden_layers: number of hidden layers before, and after, the members are pooled.
    """

    hidden_features: int
    hidden_layers: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "classifier", "hidden_features", "hidden_layers")


@dataclass(frozen=True)
class TransformerConfig(SetConfig):
    """A small particle transformer (Qu, Li, Qian 2202.03772).

    Attributes:
        width: numbers that represent a member; a multiple of ``heads``.
        blocks: number of blocks of attention and a fully connected layer.
        heads: number of attention heads.
    """

    width: int
    blocks: int
    heads: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "classifier", "width", "blocks", "heads")
        if self.width % self.heads:
            raise ConfigError(
                "classifier.width must be a multiple of classifier.heads, got "
                f"{self.width} and {self.heads}"
            )


def _check_ensemble(size: int, trainer: TrainerConfig) -> None:
    for key in ("keep", "epochs"):
        if getattr(trainer, key) < size:
            raise ConfigError(
                f"classifier.trainer.{key} must be at least classifier.ensemble_size, got "
                f"{getattr(trainer, key)} and {size}"
            )


@dataclass(frozen=True)
class ForestConfig:
    """An isolation forest (Liu, Ting, Zhou 2008).

    Attributes:
        trees: number of trees.
        max_samples: number of events that each tree isolates; all if there are fewer.
    """

    trees: int
    max_samples: int

    def __post_init__(self) -> None:
        _check_positive(self, "forest", "trees")
        if self.max_samples < 2:
            raise ConfigError(f"forest.max_samples must be at least 2, got {self.max_samples}")


CLASSIFIERS: dict[str, type[ClassifierConfig]] = {"hgb": TreesConfig, "mlp": NeuralConfig}
"""Name -> settings of the classifiers of features, which runs can choose from."""

SET_CLASSIFIERS: dict[str, type[SetConfig]] = {
    "deep_set": DeepSetConfig,
    "transformer": TransformerConfig,
}
"""Name -> settings of the classifiers of sets."""
