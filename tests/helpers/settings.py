"""Small flows, quick recipes, and where the repository is."""

from pathlib import Path

from anode.density.maf import FlowConfig, SplineConfig
from anode.training.recipe import TrainerConfig

REPOSITORY = Path(__file__).resolve().parents[2]


def flow_config(name: str = "maf", **changes: object) -> FlowConfig:
    """A small flow; ``changes`` replace its settings."""
    settings = {
        "name": name,
        "backend": "nflows",
        "n_transforms": 2,
        "hidden_features": 16,
        "n_blocks": 1,
        "batch_norm": False,
        "spectral_norm": False,
        "context_affine": False,
    }
    if name == "maf":
        return FlowConfig(**{**settings, **changes})
    return SplineConfig(**{**settings, "n_bins": 6, "tail_bound": 5.0, **changes})


def trainer_config(**changes: object) -> TrainerConfig:
    """A quick recipe; ``changes`` replace its settings."""
    settings = {
        "epochs": 3,
        "batch_size": 64,
        "learning_rate": 5e-3,
        "schedule": "one_cycle",
        "final_learning_rate": 0.01,
        "weight_decay": 1e-6,
        "gradient_clip": 5.0,
        "patience": None,
        "keep": 2,
        "at_once": 1,
    }
    return TrainerConfig(**{**settings, **changes})
