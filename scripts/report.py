"""Make the report of a finished search: a page that stands alone, Markdown, figures.

python scripts/report.py run_dir=results/search/anode
"""

import hydra
from omegaconf import DictConfig

from anode.configuration.command import command
from anode.pipeline.search import report


@hydra.main(version_base=None, config_path="../configs", config_name="report")
@command
def main(raw: DictConfig) -> None:
    report.report(report.parse_report(raw))


if __name__ == "__main__":
    main()
