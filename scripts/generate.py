"""Generate dijet events: Pythia, detector, jets. Interrupted, the same command goes on.

python scripts/generate.py                       # remakes data/anode_dijets.h5: an hour
python scripts/generate.py out=generated/more.h5 seed=2 n_background=50000 n_signal=0
python scripts/generate.py out=generated/raw.h5 n_background=1000 n_signal=100 raw=true
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command


@hydra.main(version_base=None, config_path="../configs", config_name="generate")
@command
def main(raw: DictConfig) -> None:
    # Here, so that a missing extra is reported as every other error is.
    from anode.pipeline.datasets.generate import generate, parse_generate

    generate(parse_generate(raw))


if __name__ == "__main__":
    main()
