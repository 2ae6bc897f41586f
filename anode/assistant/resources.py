"""What a client may read beside the tools: metrics, reports and figures; and the prompts."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from anode.assistant.toolbox.run_facts import run_facts
from anode.assistant.toolbox.search_facts import search_facts
from anode.assistant.toolbox.workspace import Workspace
from anode.errors import AnodeError, ConfigError
from anode.records import plain

KINDS = {
    "metrics": ("application/json", "numbers of a search, or of a run without those of labels"),
    "report": ("text/markdown", "report of a search"),
    "figure": ("image/png", "a figure of a search, NAME.png"),
}
"""What there is of a folder, anode://KIND/FOLDER or anode://figure/FOLDER/NAME.png."""

FIGURES = ("scan.png", "spectrum.png", "spectra.png", "limits.png", "sculpting.png")
"""Figures of a search, for which no label is read."""

_ADDRESS = re.compile(r"anode://(\w+)/(.+)")
_MOST = 16 * 2**20  # bytes


class Resource(NamedTuple):
    """Content of a resource: text, or bytes of an image."""

    media_type: str
    content: str | bytes


def addresses(workspace: Workspace) -> list[str]:
    """Resources of the finished searches and runs below the root."""
    found = []
    for name in ("search.json", "metrics.json"):
        for path in sorted(workspace.root.rglob(name)):
            shown = workspace.shown(path.parent)
            if any(part.startswith(".") for part in Path(shown).parts):
                continue
            found.append(f"anode://metrics/{shown}")
            if (path.parent / "report.md").is_file():
                found.append(f"anode://report/{shown}")
            figures = path.parent / "figures"
            there = [figure for figure in FIGURES if (figures / figure).is_file()]
            if name == "search.json":
                found += [f"anode://figure/{shown}/{figure}" for figure in there]
    return found


def read(workspace: Workspace, address: str) -> Resource:
    """The content of a resource.

    Raises:
        ConfigError: there is none at this address.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or match[1] not in KINDS:
        raise ConfigError(f"a resource must be anode://{{{'|'.join(KINDS)}}}/..., got {address!r}")
    kind, name = match[1], match[2]
    media_type = KINDS[kind][0]
    figure = ""
    if kind == "figure":
        name, _, figure = name.rpartition("/")
        if figure not in FIGURES:
            raise ConfigError(f"a figure must be one of {', '.join(FIGURES)}, got {figure!r}")
    folder = workspace.path(name or ".", "the folder")
    if kind == "metrics":
        return Resource(media_type, _metrics(folder, workspace.shown(folder)))
    if not (folder / "search.json").is_file():
        raise ConfigError(f"{name} must be the folder of a finished search")
    path = folder / "report.md" if kind == "report" else folder / "figures" / figure
    inside = path.resolve().is_relative_to(workspace.root)
    if not inside or not path.is_file() or path.stat().st_size > _MOST:
        raise ConfigError(f"there is no {kind} at {address!r}")
    content = path.read_bytes()
    return Resource(media_type, content.decode() if kind == "report" else content)


def _metrics(folder: Path, shown: str) -> str:
    try:
        if (folder / "search.json").is_file():
            return json.dumps(plain(search_facts(folder, shown)), indent=1)
        return json.dumps(plain(run_facts(folder, shown, labels=False)), indent=1)
    except AnodeError:
        raise ConfigError(f"{shown} has no finished search or run") from None


PROMPTS = {
    "analyse": (
        "Analyse a file from the beginning to a report.",
        "Search the events of {subject} for a resonance with the tools of this server, in this "
        "order: describe_file; propose_regions; search in the proposed range; isolation_forest in "
        "the window of the largest excess; score for the events of that window; report. Masses "
        "are in GeV. Quote no number that no tool returned. Say first how significant the largest "
        "excess is over the whole scan; where z_global is a bound, say so. Below a global Z of 3 "
        "claim nothing. Then say what else could explain it, from the warnings of the report, and "
        "what should be checked next. Use no labels unless the user asks for them.",
    ),
    "review": (
        "Judge a finished search as a sceptical colleague.",
        "Review the search in {subject}: call report for it. Go through every warning, and "
        "through sculpting_p, score_mass_p, closure_pull, spurious, n_copies, calibrated and "
        "overdispersion_measured. For each say whether it weakens the result, and what would "
        "settle it. Do not repeat the verdict's words for more than it says, and quote no number "
        "that no tool returned.",
    ),
}
"""Prompt -> what it is for, and its text."""


def prompt(name: str, subject: str) -> str:
    """The text of a prompt about a file or folder.

    Raises:
        ConfigError: there is no such prompt.
    """
    if name not in PROMPTS:
        raise ConfigError(f"unknown prompt {name}; one of {', '.join(PROMPTS)}")
    return PROMPTS[name][1].format(subject=subject)
