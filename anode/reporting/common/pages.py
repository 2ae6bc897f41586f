"""Pages from the templates of this package, as HTML that needs no other file or as Markdown."""

import base64
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from jinja2 import BaseLoader, DictLoader, Environment, StrictUndefined


def template_environment(*, html: bool) -> Environment:
    """The templates; a name that a page does not get is an error.

    Args:
        html: True to escape what is filled in.
    """
    folder = resources.files("anode.reporting") / "templates"
    pages = {page.name: page.read_text("utf-8") for page in folder.iterdir()}
    loader: BaseLoader = DictLoader(pages)
    return Environment(
        loader=loader,
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embedded_images(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Name -> address that holds the PNG file of this name, without its ending."""
    return {
        name: "data:image/png;base64,"
        + base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
        for name in names
    }
