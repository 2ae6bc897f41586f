"""One class a method."""

from pathlib import Path
from typing import Any

from anode.api.model import Model


class Anode(Model):
    method = "anode"


class RAnode(Model):
    method = "r_anode"


class Cathode(Model):
    method = "cathode"


class LaCathode(Model):
    method = "lacathode"


class Cwola(Model):
    method = "cwola"


class IsolationForest(Model):
    method = "isolation_forest"


class Iad(Model):
    method = "iad"


class Supervised(Model):
    method = "supervised"


class Combination(Model):
    method = "combination"


def make_model(name: str, **settings: Any) -> Model:
    """A model by the name of its method, as ``method=NAME`` of the commands."""
    ...


def load(path: Path | str) -> Model:
    """The model of a run directory, of whatever method."""
    ...
