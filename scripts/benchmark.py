"""How fast are we, side by side with others? A table, JSON and a figure.

make benchmark
"""

import hydra
from omegaconf import DictConfig

from anode.benchmark import benchmark
from anode.configuration.command import command


@hydra.main(version_base=None, config_path="../configs", config_name="benchmark")
@command
def main(raw: DictConfig) -> None:
    benchmark.benchmark(benchmark.parse_benchmark(raw))


if __name__ == "__main__":
    main()
