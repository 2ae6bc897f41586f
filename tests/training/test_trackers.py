"""Where training numbers go: nowhere, to a file, or to Weights & Biases without a network."""

import pytest

from anode.errors import ConfigError
from anode.training.trackers import build_tracker


def test_an_unknown_tracker_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="none, jsonl, wandb"):
        build_tracker("mlflow", tmp_path, 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb.*")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:google.*")
def test_wandb_writes_offline_by_default(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    folder = tmp_path / "run" / "checkpoints" / "background"
    folder.mkdir(parents=True)
    tracker = build_tracker("wandb", folder, 0)
    tracker.log({"epoch": 1, "train_loss": 2.0, "validation_loss": 2.1})
    tracker.close()
    assert list(folder.glob("wandb/offline-run-*/*.wandb"))
