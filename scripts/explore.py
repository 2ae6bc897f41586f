"""Print and draw what is in a file, before anything is fitted; a broken file is described too.

python scripts/explore.py output=results/explore/bundled
python scripts/explore.py data=lhco_features data.path=FILE output=FOLDER
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.datasets import explore


@hydra.main(version_base=None, config_path="../configs", config_name="explore")
@command
def main(raw: DictConfig) -> None:
    explore.explore(explore.parse_explore(raw))


if __name__ == "__main__":
    main()
