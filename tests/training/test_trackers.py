"""Where training numbers go: nowhere, to a file, or to Weights & Biases without a network."""

import pytest

from anode.errors import ConfigError
from anode.training import trackers
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb.*")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:google.*")
@pytest.mark.slow
def test_wandb_without_a_network_goes_on_offline_and_says_so_once(tmp_path, monkeypatch, caplog):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.setattr(trackers, "ANSWER", 1.0)
    monkeypatch.setenv(trackers.UNREACHABLE, "")  # so that it is as before, afterwards
    monkeypatch.delenv(trackers.UNREACHABLE)
    for name in ("background", "data_fold0"):
        folder = tmp_path / "run" / "checkpoints" / name
        folder.mkdir(parents=True)
        tracker = build_tracker("wandb", folder, 0)
        tracker.log({"epoch": 1, "train_loss": 2.0, "validation_loss": 2.1})
        tracker.close()
        assert list(folder.glob("wandb/offline-run-*/*.wandb"))
    (said,) = (r.getMessage() for r in caplog.records if r.name == "anode.training.trackers")
    assert said.startswith("Weights & Biases cannot be reached (")
    assert "\n" not in said
