"""Judge a scored run again: metrics, curves and figures.

python scripts/evaluate.py experiment=anode run_dir=results/anode/mine
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import parse_run


@hydra.main(version_base=None, config_path="../configs", config_name="run")
@command
def main(raw: DictConfig) -> None:
    stages.evaluate(parse_run(raw))


if __name__ == "__main__":
    main()
