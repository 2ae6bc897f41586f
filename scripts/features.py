"""Raw particles to jets, substructure and m_jj. Interrupted, the same command goes on.

python scripts/features.py data=lhco_raw data.path=FILE output=FILE
python scripts/features.py data.path=FILE output=FILE layout=lhco data.jets.axes=kt
python scripts/features.py data.path=FILE output=FILE cluster.address=tcp://host:8786
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command


@hydra.main(version_base=None, config_path="../configs", config_name="features")
@command
def main(raw: DictConfig) -> None:
    # Here, so that a missing extra is reported as every other error is.
    from anode.pipeline.datasets.features import features, parse_features

    features(parse_features(raw))


if __name__ == "__main__":
    main()
