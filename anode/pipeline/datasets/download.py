"""Download of public data sets by name, and the list of all."""

import textwrap
import typing
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from anode.configuration.builder import CONFIG_DIR, build, resolve
from anode.errors import ConfigError
from anode.events.download.registry import Dataset, DatasetCache
from anode.reporting.common.tables import table

REGISTRY = CONFIG_DIR / "datasets.yaml"


@dataclass(frozen=True)
class DownloadConfig:
    """Keys of ``configs/download.yaml``.

    Attributes:
        dataset: names from ``configs/datasets.yaml``; null lists them.
        folder, mirror, offline, attempts: settings of ``DatasetCache``.
    """

    dataset: list[str] | None
    folder: str
    mirror: str | None
    offline: bool
    attempts: int


def parse_download(raw: DictConfig) -> DownloadConfig:
    """Check Hydra's configuration of a download.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    content = resolve(raw)
    if isinstance(content.get("dataset"), str):
        content["dataset"] = [content["dataset"]]
    return build(DownloadConfig, content)


def read_registry(path: Path = REGISTRY) -> dict[str, Dataset]:
    """Name -> data set.

    Raises:
        ConfigError: an entry has a missing or unknown key.
    """
    content = resolve(typing.cast(DictConfig, OmegaConf.load(path)))
    return {name: build(Dataset, entry, name) for name, entry in content.items()}


def download(config: DownloadConfig) -> None:
    """Fetch the data sets asked for, and say how to use each; list all if none is asked for.

    Raises:
        ConfigError: there is no data set of this name.
        DownloadError: a file cannot be had, or is not the published one.
    """
    registry = read_registry()
    store = DatasetCache(Path(config.folder), config.mirror, config.offline, config.attempts)
    if config.dataset is None:
        print(overview(registry, store))
        return
    unknown = [name for name in config.dataset if name not in registry]
    if unknown:
        raise ConfigError(
            f"dataset: unknown {', '.join(map(repr, unknown))}; known are {', '.join(registry)}"
        )
    for name in config.dataset:
        paths = store.fetch(name, registry[name])
        print(usage(registry[name], paths))


def overview(registry: dict[str, Dataset], store: DatasetCache) -> str:
    """A table of all data sets: sizes, licences, records, and what is there already."""
    rows = [
        [
            name,
            ("" if entry.size is None else f"{entry.size / 1e6:,.0f} MB").rjust(8),
            entry.licence + (" (?)" if "licence" in entry.unconfirmed else ""),
            f"zenodo.org/records/{entry.record}",
            entry.data or "-",
            store.state(name, entry),
            textwrap.shorten(entry.title, 60, placeholder=" ..."),
        ]
        for name, entry in registry.items()
    ]
    header = ["dataset=", "size", "licence", "record", "data=", "here", "content"]
    return (
        table(header, rows, markdown=False)
        + f"\nhere: in {store.folder}; (?): not confirmed, see the record. A data set is fetched "
        "by\nanode download dataset=NAME"
    )


def usage(dataset: Dataset, paths: list[Path]) -> str:
    """What lies where, whom to cite, and the command that uses it."""
    lines = [*map(str, paths), f"licence {dataset.licence}, cite: {dataset.citation}"]
    if dataset.command is None:
        lines.append("no data=... reads this layout yet")
    else:
        lines.append(dataset.command.format(*paths))
    return "\n".join(lines)
