"""Are the numbers of a search right? Many searches on samples of known truth, judged together.

python scripts/calibrate.py calibration=no_signal     # p-values without signal
python scripts/calibrate.py calibration=injection     # fitted against injected signal
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.search.calibrate import calibrate, parse_calibrate


@hydra.main(version_base=None, config_path="../configs", config_name="calibrate")
@command
def main(raw: DictConfig) -> None:
    calibrate(parse_calibrate(raw))


if __name__ == "__main__":
    main()
