"""Style of all our figures: look, labels, and how they reach the disk."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.style as mpl_style
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from anode.io import atomic_path

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's colours, distinguishable for every common kind of colour blindness."""

METHOD_COLORS = {
    "anode": PALETTE[0],
    "cathode": PALETTE[1],
    "r_anode": PALETTE[2],
    "lacathode": PALETTE[3],
    "cwola": PALETTE[4],
    "isolation_forest": PALETTE[5],
    "supervised": PALETTE[6],
    "iad": "#882255",
    "combination": "#999933",
}
"""One fixed colour a method, in every figure; the last two are Tol's, muted."""

FURTHER = ("#88CCEE", "#AA4499", "#117733", "#7F7F7F")
"""For more groups than the palette has colours: Tol's, muted, and grey."""

SIGNAL, BACKGROUND, DATA = PALETTE[1], PALETTE[0], "#000000"
"""One colour each, in every figure."""

REFERENCE_LINE: dict[str, Any] = {"color": "0.45", "linestyle": (0, (4, 2)), "linewidth": 1.0}
"""Lines that are no measurement: a random score, a ratio of one."""

_RC: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=PALETTE),
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.pad": 5,
    "pdf.fonttype": 42,
}

_SYMBOLS = {"delta_mj": (r"$\Delta m_J$", "GeV"), "delta_r": (r"$\Delta R_{JJ}$", "")}
_SYMBOLS |= {"delta_eta": (r"$\Delta\eta_{JJ}$", ""), "mjj": (r"$m_{JJ}$", "GeV")}
for _jet in (1, 2):
    _SYMBOLS[f"mj{_jet}"] = (rf"$m_{{J_{_jet}}}$", "GeV")
    _SYMBOLS[f"pt_{_jet}"] = (rf"$p_\mathrm{{T}}^{{J_{_jet}}}$", "GeV")
    _SYMBOLS[f"tau21_{_jet}"] = (rf"$\tau_{{21}}^{{J_{_jet}}}$", "")
    _SYMBOLS[f"tau32_{_jet}"] = (rf"$\tau_{{32}}^{{J_{_jet}}}$", "")
_SYMBOLS |= {
    "jet_pt": (r"jet $p_\mathrm{T}$", "GeV"),
    "jet_eta": (r"jet $\eta$", ""),
    "jet_phi": (r"jet $\phi$", ""),
    "jet_m": (r"jet $m$", "GeV"),
    "jet_e": (r"jet $E$", "GeV"),
    "pT": (r"particle $p_\mathrm{T}$", "GeV"),
    "eta": (r"particle $\eta$", ""),
    "phi": (r"particle $\phi$", ""),
    "c2": (r"$C_2$", ""),
    "tau21": (r"$\tau_{21}$", ""),
    "ptd": (r"$p_\mathrm{T}D$", ""),
}

MASS_LABEL = r"$m_{JJ}$ [TeV]"
GEV_PER_TEV = 1000.0


def feature_label(name: str, unit: str | None = None) -> str:
    """Axis label of a feature: its symbol and unit; an unknown name stands for itself.

    Args:
        name: feature name as in ``EventTable.names``.
        unit: overrides the unit known for the name.

    Example:
        >>> feature_label("delta_mj"), feature_label("x1")
        ('$\\\\Delta m_J$ [GeV]', 'x1')
    """
    symbol, known_unit = _SYMBOLS.get(name, (name.replace("$", r"\$"), ""))
    shown = known_unit if unit is None else unit
    return f"{symbol} [{shown}]" if shown else symbol


class Look(NamedTuple):
    """How one group of runs is shown in every figure.

    Attributes:
        label: name, with an asterisk where truth labels were used.
        color: color of its lines and points.
        line: linestyle; dashed for users of truth labels.
    """

    label: str
    color: str
    line: str


def looks(groups: Mapping[str, tuple[str | None, bool]]) -> dict[str, Look]:
    """The look of each group: its method's own colour, for the first group of a method among
    several methods.

    Other groups take what is left of the palette in turn, then further colours, then all of it
    again: dotted, or, dashed as they are, those that use truth labels.

    Args:
        groups: name -> (method or None, whether it uses truth labels).

    Example:
        >>> looks({"best": ("cathode", False), "first": (None, False)})["best"].color
        '#D55E00'
    """
    methods = [method for method, _ in groups.values()]
    single = len(set(methods)) == 1 and len(methods) > 1
    first = {method: name for name, (method, _) in reversed(list(groups.items()))}
    own = {
        name: METHOD_COLORS[method]
        for method, name in first.items()
        if method in METHOD_COLORS and not single
    }
    colors = (*PALETTE, *FURTHER)
    fresh = (color for color in colors if color not in own.values())
    again = itertools.cycle((color, line) for line in (":", "-.") for color in PALETTE)
    dashed = {own[name] for name in own if groups[name][1]}
    found: dict[str, Look] = {}
    color: str | None
    for name, (_, uses_truth) in groups.items():
        color, line = own.get(name) or next(fresh, None), "-"
        if color is None and uses_truth:  # one that no other dashed line has, while there is one
            color = next((c for c in colors if c not in dashed), colors[len(found) % len(colors)])
        elif color is None:
            color, line = next(again)
        if uses_truth:
            dashed.add(color)
        found[name] = Look(f"{name}*" if uses_truth else name, color, "--" if uses_truth else line)
    return found


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The settings of all our figures, for the enclosed block only, whatever matplotlibrc says."""
    with mpl_style.context(["default", _RC]):
        yield


def new_figure(width: float, height: float, *, constrained: bool = True) -> Figure:
    """An empty figure [inches] that pyplot knows nothing of, so that nothing needs closing.

    Args:
        width, height: size.
        constrained: False for margins of one's own, which takes half the time.
    """
    figure = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def annotate(axes: Axes, lines: list[str], x: float, y: float) -> None:
    """Small grey text, one line each, growing from a corner of the axes.

    Args:
        axes: axes to write on.
        lines: text, empty lines are dropped.
        x, y: position as fractions of the axes; the nearest corner of the text is put there.
    """
    axes.text(
        x,
        y,
        "\n".join(line for line in lines if line),
        transform=axes.transAxes,
        ha="left" if x < 0.5 else "right",
        va="bottom" if y < 0.5 else "top",
        fontsize=8,
        color="0.25",
        linespacing=1.35,
    )


def notice_figure(text: str) -> Figure:
    """A figure that says why there is nothing to see, so that no file is missing or empty."""
    with style():
        figure = new_figure(6.0, 2.2)
        figure.add_subplot().set_axis_off()  # inline displays drop figures without axes
        figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=12, color="0.25")
    return figure


def save_figure(figure: Figure, path: Path | str, *, close: bool = True) -> tuple[Path, Path]:
    """Write ``path.png`` and ``path.pdf``, both whole or neither; equal figures, equal bytes.

    Dates and versions are left out of the files, so a result committed twice does not change.

    Args:
        figure: figure to write.
        path: file without suffix.
        close: drop the figure's content afterwards, which frees its memory.

    Returns:
        The two files.
    """
    png, pdf = _files(path)
    with style(), atomic_path(png) as png_partial, atomic_path(pdf) as pdf_partial:
        engine = figure.get_layout_engine()
        figure.savefig(png_partial, format="png", metadata={"Software": None})
        figure.set_layout_engine("none")  # the layout of one format serves both
        figure.savefig(
            pdf_partial,
            format="pdf",
            metadata={"CreationDate": None, "Creator": None, "Producer": None},
        )
        figure.set_layout_engine(engine)
    if close:
        figure.clear()
    return png, pdf


def save_png(figure: Figure, path: Path | str, *, dpi: float = 120) -> Path:
    """Write one figure as ``path.png`` alone, and drop its content; equal figures, equal bytes.

    Args:
        figure: figure to write.
        path: file without suffix.
        dpi: dots per inch.

    Returns:
        The file.
    """
    png, _ = _files(path)
    with style(), atomic_path(png) as partial:
        figure.savefig(partial, format="png", dpi=dpi, metadata={"Software": None})
    figure.clear()
    return png


def remove_figure(path: Path | str) -> None:
    """Delete what ``save_figure`` wrote there, if it did: what a later result has no figure of."""
    for file in _files(path):
        file.unlink(missing_ok=True)


def _files(path: Path | str) -> tuple[Path, Path]:
    path = Path(path)
    return path.with_name(path.name + ".png"), path.with_name(path.name + ".pdf")
