"""A benchmark as a table for the screen, and as bars of how many times faster."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FormatStrFormatter, NullFormatter

from anode.benchmark.likelihood import Reached
from anode.benchmark.result import BenchmarkResult, TimedFlows, TimedMixtures
from anode.reporting.common.style import PALETTE, REFERENCE_LINE, new_figure, style
from anode.reporting.common.tables import table

Row = tuple[str, str, str, str]

_CONTENDERS = {"anode maf": "anode, affine MAF", "anode made_mog": "anode, mixture of Gaussians"}
"""Words for the legend; others are called by their names."""

_UNITS = {"training": ("ms a step", 1e3), "scoring": ("us an event", 1e6)}
_UNITS |= {"sampling": ("us a sample", 1e6)}


def benchmark_table(result: BenchmarkResult, *, markdown: bool = False) -> str:
    """Every time measured, and its ratio to nflows in the same run.

    Args:
        result: times of the benchmark.
        markdown: a markdown table rather than aligned text.
    """
    timed = [(kind, flows) for kind, of_kind in _kinds(result) for flows in of_kind]
    rows = [row for kind, flows in timed for row in _timed(kind, flows)]
    rows += [row for mixtures in result.at_once for row in _at_once(mixtures)]
    rows += _likelihood(result.likelihood or {})
    for name, share in (result.outside_steps or {}).items():
        rows.append(("fit outside forward, backward, step", name, f"{share:.1%}", ""))
    memory, raw = result.memory, result.raw_events
    if memory is not None:
        text = f"{memory.peak_mb:.0f} MB peak, {memory.seconds:.0f} s"
        rows.append((f"{memory.n_events} events x {memory.n_flows} flows", "anode maf", text, ""))
    for run in result.scaling:
        cpu = sum(run.cpu_seconds.values())
        each, peak = cpu / run.n_events * 1e6, run.peak_mb
        text = f"{cpu:.0f} CPU s, {each:.0f} us an event, {peak:.0f} MB peak"
        rows.append((f"ANODE of {run.n_events} toy events", "anode made_mog", text, ""))
    if raw is not None:
        for name, seconds in raw.seconds.items():
            ratio = raw.seconds["plain FastJet loop"] / seconds
            text = f"{1 / seconds:.0f} events/s, {ratio:.1f} times the plain loop"
            rows.append((f"features of {raw.n_events} raw events", name, text, ""))
    return table(("work", "who", "time", "nflows / it"), rows, markdown=markdown)


def _kinds(result: BenchmarkResult) -> list[tuple[str, tuple[TimedFlows, ...]]]:
    """What is timed against nflows, by name."""
    return [
        ("training", result.training),
        ("scoring", result.scoring),
        ("sampling", result.sampling),
    ]


def _timed(kind: str, flows: TimedFlows) -> Iterator[Row]:
    unit, factor = _UNITS[kind]
    work = f"{kind}, {flows.text}"
    reference = flows.seconds["nflows"]
    for name, seconds in flows.seconds.items():
        yield work, name, f"{seconds * factor:.3g} {unit}", f"{reference / seconds:.2f}"
    for name, ratio in (flows.maf_over_floor or {}).items():
        who = f"anode maf over its products at the rate of {name}"
        yield work, who, f"{ratio:.2f} times the floor", ""


def _at_once(mixtures: TimedMixtures) -> Iterator[Row]:
    reference = mixtures.seconds["one after another"]
    for name, seconds in mixtures.seconds.items():
        text = f"{seconds * 1e3:.3g} ms for all, {reference / seconds:.2f} times as fast"
        yield f"training, {mixtures.text}", f"anode {name}", text, ""


def _likelihood(fits: Mapping[str, Reached]) -> Iterator[Row]:
    for name, fit in fits.items():
        text = f"{fit.seconds:.3g} s, {fit.epochs} epochs, NLL {fit.loss:.4f}"
        note = " (extrapolated)" if fit.extrapolated else ""
        ratio = fits["nflows, published recipe"].seconds / fit.seconds
        yield "time to the published NLL", name, text + note, f"{ratio:.1f}"


def benchmark_figure(result: BenchmarkResult) -> Figure:
    """Bars: how many times faster than nflows, one panel for training, scoring and sampling."""
    with style():
        figure = new_figure(11.5, 4.4)
        names = _names(result)
        colors = dict(zip(names, itertools.cycle(PALETTE), strict=False))
        for axes, (kind, of_kind) in zip(figure.subplots(1, 3), _kinds(result), strict=True):
            for row, flows in enumerate(of_kind):
                _draw_bars(axes, row, flows.seconds, colors)
            axes.axvline(1.0, **REFERENCE_LINE)
            axes.set_xscale("log")
            axes.set_xlim(0.75 * axes.dataLim.x0, 2 * axes.dataLim.x1)
            axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            texts = [_spelled(flows.text) for flows in of_kind]
            axes.set_yticks(range(len(texts)), texts)
            axes.tick_params(axis="y", which="both", left=False, right=False)
            axes.invert_yaxis()
            axes.set_title(kind)
        machine = result.machine
        threads = f"{machine.threads} thread{'s' if machine.threads > 1 else ''}"
        figure.supxlabel(
            f"times faster than nflows in the same run; {machine.device}, {threads}",
            fontsize=10,
        )
        handles = [
            Patch(color=color, label=_CONTENDERS.get(name, name)) for name, color in colors.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
        return figure


def _spelled(text: str) -> str:
    """What is timed, a line each.

    Example:
        >>> _spelled("15x128, D=4, B=256").splitlines()
        ['15 x 128 units', '4 features', 'batch 256']
    """
    words = {"D": "{} features", "B": "batch {}"}
    lines = []
    for part in text.split(", "):
        key, _, value = part.partition("=")
        layers, _, units = part.partition("x")
        if key in words:
            lines.append(words[key].format(value))
        elif layers.isdigit() and units.isdigit():
            lines.append(f"{layers} x {units} units")
        else:
            lines.append(part)
    return "\n".join(lines)


def _draw_bars(
    axes: Axes, row: int, seconds: Mapping[str, float], colors: Mapping[str, str]
) -> None:
    height = 0.8 / len(seconds)
    for place, (name, value) in enumerate(seconds.items()):
        ratio, y = seconds["nflows"] / value, row - 0.4 + (place + 0.5) * height
        # Bars of ratios begin at one, where there is no difference; nflows itself is a stroke.
        axes.barh(y, ratio - 1, height * 0.92, left=1, color=colors[name])
        if ratio == 1:
            axes.vlines(1, y - 0.46 * height, y + 0.46 * height, color=colors[name], lw=3)
        text = f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
        axes.text(max(ratio, 1) * 1.06, y, text, va="center", fontsize=8)


def _names(result: BenchmarkResult) -> Sequence[str]:
    """Contenders in order of first appearance."""
    every = [flows for _, of_kind in _kinds(result) for flows in of_kind]
    return list(dict.fromkeys(name for flows in every for name in flows.seconds))
