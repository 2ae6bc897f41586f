"""Fetch a public data set, whole and checked; interrupted, the same command goes on.

python scripts/download.py                       # what there is
python scripts/download.py dataset=rnd_features
python scripts/download.py dataset=rnd_raw mirror=https://host/path folder=/scratch/lhco
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.datasets import download


@hydra.main(version_base=None, config_path="../configs", config_name="download")
@command
def main(raw: DictConfig) -> None:
    download.download(download.parse_download(raw))


if __name__ == "__main__":
    main()
