"""Density estimation for resonant anomaly detection at colliders.

The public names, loaded when they are asked for::

    from anode import Anode, Events, search

    events = Events(features=x, mass=m, names=["mj1", "delta_mj"])  # (N, D), (N,) GeV
    scores = Anode(signal=(3300, 3700), folds=5, seed=1).fit(events).score(events)

Inside, follow the data from left to right::

    events -> regions -> density -> training -> methods -> evaluation -> reporting -> pipeline
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anode.api.densities import DensityFit as DensityFit
    from anode.api.densities import FittedDensity as FittedDensity
    from anode.api.densities import fit as fit
    from anode.api.densities import make_density as make_density
    from anode.api.events import Events as Events
    from anode.api.methods import Anode as Anode
    from anode.api.methods import Autoencoder as Autoencoder
    from anode.api.methods import Cathode as Cathode
    from anode.api.methods import Combination as Combination
    from anode.api.methods import Cwola as Cwola
    from anode.api.methods import Iad as Iad
    from anode.api.methods import IsolationForest as IsolationForest
    from anode.api.methods import LaCathode as LaCathode
    from anode.api.methods import Model as Model
    from anode.api.methods import RAnode as RAnode
    from anode.api.methods import SingleFeature as SingleFeature
    from anode.api.methods import Supervised as Supervised
    from anode.api.scores import EventScores as EventScores
    from anode.api.search import search as search
    from anode.errors import AnodeError as AnodeError
    from anode.statistics.scan.search_result import SearchResult as SearchResult

__version__ = "0.2.0"

_HOMES = {
    "errors": ["AnodeError"],
    "api.events": ["Events"],
    "api.scores": ["EventScores"],
    "api.methods": [
        "Anode", "Autoencoder", "Cathode", "Combination", "Cwola", "Iad", "IsolationForest",
        "LaCathode", "Model", "RAnode", "SingleFeature", "Supervised",
    ],
    "api.search": ["search"],
    "statistics.scan.search_result": ["SearchResult"],
    "api.densities": ["DensityFit", "FittedDensity", "fit", "make_density"],
}  # fmt: skip
"""Module -> its public names."""

_MODULES = {name: f"anode.{module}" for module, names in _HOMES.items() for name in names}

__all__ = sorted([*_MODULES, "__version__"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'anode' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
