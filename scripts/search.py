"""Search unlabelled events for a resonance at any mass: where, how significant, how trustworthy.

python scripts/search.py data=lhco_features data.path=FILE run_dir=DIR
python scripts/search.py injection.n_signal=780 run_dir=results/search/bundled
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.search.config import parse_search
from anode.pipeline.search.search import search


@hydra.main(version_base=None, config_path="../configs", config_name="search")
@command
def main(raw: DictConfig) -> None:
    search(parse_search(raw))


if __name__ == "__main__":
    main()
