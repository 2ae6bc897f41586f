"""Several runs in one table and figures, median and 68% over seeds; or a whole study, made first.

python scripts/run.py --multirun run_dir=results/anode/sweep seed=1,2,3,4,5
python scripts/compare.py 'runs=[results/anode/sweep/*]' output=results/anode/sweep_comparison
python scripts/compare.py study=full            # makes the runs that are missing
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.studies import compare


@hydra.main(version_base=None, config_path="../configs", config_name="compare")
@command
def main(raw: DictConfig) -> None:
    compare.compare(compare.parse_compare(raw))


if __name__ == "__main__":
    main()
