"""Array types by their names, where Sphinx would print what NumPy makes of them."""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, get_args, get_origin

import numpy as np
from numpy.typing import ArrayLike
from sphinx.application import Sphinx
from sphinx.config import Config

PACKAGES = ("anode.api", "anode.sklearn")


def short(annotation: Any) -> Any:
    """The name of an array type; another annotation as it is.

    Example:
        >>> short(ArrayLike), short(ArrayLike | None), short(np.ndarray | None), short(int)
        ('ArrayLike', 'ArrayLike | None', 'ndarray', <class 'int'>)
    """
    if annotation == ArrayLike:
        return "ArrayLike"
    if annotation == ArrayLike | None:
        return "ArrayLike | None"
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    if np.ndarray in (annotation, get_origin(annotation)):
        return "ndarray"
    if (
        len(inner) == 1
        and np.ndarray in (inner[0], get_origin(inner[0]))
        and _is_optional(annotation)
    ):
        return "ndarray"
    return annotation


def _is_optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _modules() -> Iterator[ModuleType]:
    for name in PACKAGES:
        module = import_module(name)
        yield module
        for found in iter_modules(getattr(module, "__path__", [])):
            yield import_module(f"{name}.{found.name}")


def _functions(module: ModuleType) -> Iterator[Callable[..., Any]]:
    for value in vars(module).values():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            yield value
        if inspect.isclass(value) and value.__module__ == module.__name__:
            for member in vars(value).values():
                function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if inspect.isfunction(function):
                    yield function


def _shorten(app: Sphinx, config: Config) -> None:
    for module in _modules():
        for function in _functions(module):
            hints = {name: short(hint) for name, hint in function.__annotations__.items()}
            function.__annotations__ = hints
    config.autodoc_type_aliases |= {"ArrayLike": "ArrayLike", "ndarray": "ndarray"}


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", _shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
