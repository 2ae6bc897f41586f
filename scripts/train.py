"""Fit the densities of a run, or finish an interrupted fit.

python scripts/train.py experiment=anode run_dir=results/anode/mine
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import parse_run


@hydra.main(version_base=None, config_path="../configs", config_name="run")
@command
def main(raw: DictConfig) -> None:
    stages.train(parse_run(raw))


if __name__ == "__main__":
    main()
