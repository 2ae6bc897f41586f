"""Score a trained run's events; or, with data=..., any file; or with another epoch ensemble.

python scripts/score.py run_dir=results/anode/mine
python scripts/score.py run_dir=DIR ensemble.mode=best output=OTHER_DIR
python scripts/score.py run_dir=DIR data=lhco_features data.path=FILE output=FILE

run_dir may also be that of a scan: every event is scored by the window nearest to its mass.
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.scoring import score as rescore


@hydra.main(version_base=None, config_path="../configs", config_name="score")
@command
def main(raw: DictConfig) -> None:
    rescore.score(rescore.parse_score(raw))


if __name__ == "__main__":
    main()
