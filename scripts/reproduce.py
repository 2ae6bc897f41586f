"""Make the studies of results/reference again, over several seeds; finished runs are kept.

make reproduce
python scripts/reproduce.py 'only=[full,ablation]'
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.studies import reproduce


@hydra.main(version_base=None, config_path="../configs", config_name="reproduce")
@command
def main(raw: DictConfig) -> None:
    reproduce.reproduce(reproduce.parse_reproduce(raw))


if __name__ == "__main__":
    main()
