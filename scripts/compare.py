"""Put several runs in one table and one figure: median and 68% band over seeds, group by group.

python scripts/run.py --multirun run_dir=results/anode/sweep seed=1,2,3,4,5
python scripts/compare.py 'runs=[results/anode/sweep/*]' output=results/anode/sweep_comparison
"""

import hydra
from omegaconf import DictConfig

from anode.pipeline import compare
from anode.pipeline.command import command


@hydra.main(version_base=None, config_path="../configs", config_name="compare")
@command
def main(raw: DictConfig) -> None:
    compare.compare(compare.parse_compare(raw))


if __name__ == "__main__":
    main()
