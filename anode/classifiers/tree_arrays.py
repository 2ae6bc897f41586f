"""Trees of scikit-learn as plain arrays: saved without pickles, loaded and evaluated."""

import io as streams
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anode import integrity, io
from anode.errors import RunDirectoryError

# scikit-learn is imported where it is used: it takes most of a second that other methods, and
# their processes, need not wait for.


class Trees(NamedTuple):
    """Nodes of T binary trees, one after the other.

    An event goes left where its feature is at most the threshold. Children are counted from the
    first node of their tree.

    Attributes:
        feature: (M,) index of the feature that a node cuts on.
        threshold: (M,) cut of a node.
        left, right: (M,) children of a node.
        is_leaf: (M,) flag, 1 for leaves.
        value: (M,) value of a leaf.
        start: (T + 1,) first node of each tree, and M.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    is_leaf: np.ndarray
    value: np.ndarray
    start: np.ndarray


def from_boosting(model: Any) -> Trees:
    """The trees of a fitted ``HistGradientBoostingClassifier`` of two classes."""
    each = [predictor.nodes for (predictor,) in model._predictors]
    nodes = np.concatenate(each)
    return Trees(
        nodes["feature_idx"],
        nodes["num_threshold"],
        nodes["left"],
        nodes["right"],
        nodes["is_leaf"],
        nodes["value"],
        _starts([len(tree) for tree in each]),
    )


def from_isolation(model: Any) -> Trees:
    """The trees of a fitted ``IsolationForest``; the value of a leaf is its path length h(x).

    A leaf of depth d with n training events has h = d + c(n): c(n) is the mean depth that
    isolating n events would add.
    """
    trees = [estimator.tree_ for estimator in model.estimators_]
    left = np.concatenate([tree.children_left for tree in trees])
    right = np.concatenate([tree.children_right for tree in trees])
    is_leaf = left < 0
    # Depths are counted from 1, and scikit-learn keeps c(n) beside them.
    value = np.concatenate(model._decision_path_lengths) - 1.0
    return Trees(
        np.where(is_leaf, 0, np.concatenate([tree.feature for tree in trees])),
        np.concatenate([tree.threshold for tree in trees]),
        np.where(is_leaf, 0, left),
        np.where(is_leaf, 0, right),
        is_leaf,
        value + np.concatenate(model._average_path_length_per_tree),
        _starts([tree.node_count for tree in trees]),
    )


def sum_values(trees: Trees, features: np.ndarray, initial: float, threads: int) -> np.ndarray:
    """``initial`` plus the values of all trees, added in their order: (N, D) -> (N,)."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    nodes = np.zeros(len(trees.feature), dtype=PREDICTOR_RECORD_DTYPE)
    nodes["feature_idx"], nodes["num_threshold"] = trees.feature, trees.threshold
    nodes["left"], nodes["right"] = trees.left, trees.right
    nodes["is_leaf"], nodes["value"] = trees.is_leaf, trees.value
    no_categories = np.empty((0, 8), dtype=np.uint32)
    no_map = np.zeros(features.shape[1], dtype=np.uint32)
    features = np.ascontiguousarray(features, dtype=np.float64)
    total = np.full(len(features), initial)
    for first, last in zip(trees.start[:-1], trees.start[1:], strict=True):
        tree = TreePredictor(nodes[first:last], no_categories, no_categories)
        total += tree.predict(features, no_categories, no_map, threads)
    return total


def save_trees(path: Path, trees: Trees, **more: np.ndarray | float) -> None:
    """Write trees, and numbers that belong to them, as one sealed ``.npz`` without pickles."""
    small = {"feature": np.int16, "left": np.uint32, "right": np.uint32, "is_leaf": np.bool_}
    columns = {
        name: values.astype(small.get(name, values.dtype))
        for name, values in trees._asdict().items()
    }
    buffer = streams.BytesIO()
    np.savez_compressed(
        buffer, allow_pickle=False, **columns, **{k: np.asarray(v) for k, v in more.items()}
    )
    with io.atomic_path(path) as temporary:
        temporary.write_bytes(integrity.seal(buffer.getvalue()))


def load_trees(path: Path) -> tuple[Trees, dict[str, np.ndarray]]:
    """Read back what ``save_trees`` wrote, refusing any pickled object.

    Raises:
        RunDirectoryError: the file is missing or damaged.
    """
    remedy = f"delete the folder {path.parent} and fit again"
    try:
        buffer = streams.BytesIO(integrity.read(path, remedy=remedy))
        with np.load(buffer, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
        trees = Trees(**{name: content.pop(name) for name in Trees._fields})
    except FileNotFoundError:
        raise RunDirectoryError(f"there is no {path}; fit first") from None
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise RunDirectoryError(
            f"cannot read the trees in {path}: the file is truncated or of another kind "
            f"({type(error).__name__}); {remedy}"
        ) from None
    return trees, content


def _starts(sizes: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
