"""A search over mass windows, in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anode.api.events import Events
from anode.api.model import Model


def search(
    events: Events,
    method: Model | type[Model] | str = "anode",
    *,
    start: float | None = None,
    stop: float | None = None,
    width: float | None = None,
    step: float | None = None,
    efficiencies: Sequence[float] | None = None,
    n_toys: int | None = None,
    seed: int | None = None,
    n_jobs: int = 1,
    save: Path | str | None = None,
    **settings: Any,
) -> Any: ...
