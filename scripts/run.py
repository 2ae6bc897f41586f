"""Prepare, train, score and evaluate in one go; resumable.

python scripts/run.py experiment=anode seed=2
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import parse_run


@hydra.main(version_base=None, config_path="../configs", config_name="run")
@command
def main(raw: DictConfig) -> None:
    stages.run(parse_run(raw))


if __name__ == "__main__":
    main()
