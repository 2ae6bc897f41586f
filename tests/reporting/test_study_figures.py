"""Figures over many runs are read back: curves, points, bars, colours and what is said of them."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from anode import io
from anode.errors import ConfigError
from anode.evaluation.comparison import Comparison, Group, Quantity, summarise
from anode.evaluation.curves import SicCurve
from anode.methods.build import METHODS as METHOD_TABLE
from anode.pipeline.studies import compare
from anode.reporting.common.style import METHOD_COLORS, looks
from anode.reporting.study.all_figures import FIGURES
from anode.reporting.study.claims_figure import claims_figure
from anode.reporting.study.comparison_figures import comparison_figure, roc_comparison_figure
from anode.reporting.study.follows_figure import follows_figure
from anode.reporting.study.labels import METHOD_LABELS, label_of
from anode.reporting.study.method_figures import (
    cost_figure,
    fraction_figure,
    gain_figure,
    robustness_figure,
)
from anode.reporting.study.published_results import PUBLISHED
from anode.reporting.study.selection_figure import selection_figure
from anode.reporting.study.signal_strength_figure import scan_figure, significances
from helpers.drawn import bands, line, texts, xs, ys
from helpers.settings import REPOSITORY
from helpers.synthetic_runs import METHODS, synthetic_study, write_runs

NOTE = "uses truth labels: a ceiling, not a search"
PAPER = PUBLISHED["2109.00546"]


def group(variant: str, point: str = "", **values: list[float | None]) -> Group:
    """A group of a method with these values by seed; ``sic`` stands for SIC at 1e-3."""
    named: dict[str, dict[str, float | None]] = {
        name.replace("sic_at", "sic_at_fpr.1e-3"): {str(i): v for i, v in enumerate(listed)}
        for name, listed in values.items()
    }
    ceiling = variant in ("supervised", "iad")
    quantities = {
        name: Quantity(values, summarise(list(values.values()))) for name, values in named.items()
    }
    n_runs = max(map(len, named.values()), default=0)
    return Group(f"{point}/{variant}", point, variant, variant, ceiling, n_runs, quantities)


def errorbars(figure: Figure, panel: int = 0) -> dict[str, ErrorbarContainer]:
    """Points with bars of a panel by their label."""
    found = figure.axes[panel].containers
    return {str(c.get_label()): c for c in found if isinstance(c, ErrorbarContainer)}


def curve(shift: float) -> SicCurve:
    fpr = np.geomspace(0.001, 1, 50)
    tpr = fpr ** (1 / shift)
    return SicCurve(fpr, tpr, tpr / np.sqrt(fpr), fpr, fpr, fpr)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up study of all methods and all kinds of figures, compared."""
    folder = tmp_path_factory.mktemp("study")
    asked = synthetic_study(
        folder,
        points={"default": [], "shifted": []},
        figures=list(FIGURES),
        published="2109.00546",
    )
    write_runs(asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "make", lambda asked, n_jobs: [])
        compare.compare_study(asked, n_jobs=1)
    return folder / "compared"


def test_a_study_leaves_tables_and_the_figures_it_asks_for(compared: Path) -> None:
    names = ["comparison-default", "comparison-shifted", "roc-default", "roc-shifted"]
    names += ["scan", "cost", "fraction", "robustness", "selection", "gain", "claims"]
    names.append("follows")
    expected = {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}
    expected |= {"comparison.json", "comparison.md"}
    assert {path.name for path in compared.iterdir()} == expected
    table = (compared / "comparison.md").read_text()
    assert "| default/supervised* " in table
    assert NOTE in table
    assert {*FIGURES} == {"sic", "roc", *names[4:]}


def test_a_method_has_its_colour_in_every_figure(compared: Path) -> None:
    groups = Comparison.from_json(
        io.read_json(compared / "comparison.json"), "comparison.json"
    ).groups
    scan, cost, robust = scan_figure(groups), cost_figure(groups), robustness_figure(groups)
    curves = {name: [curve(3.0)] for name in METHODS}
    shown = looks({name: (name, kind.uses_truth) for name, kind in METHODS.items()})
    drawn = comparison_figure(curves, shown), roc_comparison_figure(curves, shown)
    for name, kind in METHODS.items():
        star = "*" if kind.uses_truth else ""
        label = METHOD_LABELS[name] + star
        lines = [line(scan.axes[0], label), *(line(f.axes[0], name + star) for f in drawn)]
        points = errorbars(cost)[f"shifted {label}"], errorbars(robust)[label]
        assert {entry.get_color() for entry in [*lines, *(p[0] for p in points)]} == {
            METHOD_COLORS[name]
        }
        assert {entry.get_linestyle() for entry in lines} == {"--" if kind.uses_truth else "-"}
    for figure in (scan, cost, robust):
        assert NOTE in figure.legends[0].get_title().get_text()
    assert all(NOTE in texts(figure) for figure in drawn)


def test_groups_of_one_method_take_the_palette_and_never_a_taken_colour() -> None:
    shown = looks(dict.fromkeys(("a", "b"), ("anode", False)) | {"c": ("cathode", False)})
    assert shown["c"].color == METHOD_COLORS["cathode"]
    assert len({look.color for look in shown.values()}) == 3
    many = looks({str(n): (None, False) for n in range(30)})
    assert len({(look.color, look.line) for look in many.values()}) == 25


def test_among_many_groups_no_two_look_alike_and_panels_keep_their_size() -> None:
    kinds = ("supervised", "cwola", "iad", None)
    asked = {
        f"{kind} {n}": (kind, kind in ("supervised", "iad")) for n in range(5) for kind in kinds
    }
    shown = looks(asked)
    assert len({(look.color, look.line) for look in shown.values()}) == len(asked)
    heights = []
    for names in (list(asked)[:4], list(asked)):
        curves = {name: [curve(3.0)] for name in names}
        costs = [group(name, max_sic=[3.0, 4.0], cpu_seconds=[1.0, 2.0]) for name in names]
        figures = [
            comparison_figure(curves, shown),
            roc_comparison_figure(curves, shown),
            cost_figure(costs),
        ]
        for figure in figures:
            figure.draw_without_rendering()
        heights.append([f.axes[0].get_window_extent().height / f.dpi for f in figures])
        for figure in figures:  # the legend is below the panels
            legend, axes = figure.legends[0], figure.axes[0]
            assert legend.get_window_extent().y1 <= axes.get_window_extent().y0
    assert all(many > 0.8 * few for few, many in zip(*heights, strict=True))


def test_figures_speak_the_words_of_the_field() -> None:
    groups = [
        group(name, point, max_sic=[3.0, 4.0], s_over_b=[0.01], cpu_seconds=[1.0, 2.0])
        for point in ("delta_r", "0.01")
        for name in ("r_anode", "anode_cold", "anode_cold-last-1")
    ]
    words = {"anode_cold": "ANODE, cold start", "delta_r": r"with $\Delta R_{JJ}$"}
    expected = {"R-ANODE", "ANODE, cold start", "ANODE, cold start, last epoch only"}
    robust = robustness_figure(groups, labels=words)
    assert set(errorbars(robust)) == expected
    assert robust.axes[1].get_xticklabels()[0].get_text() == words["delta_r"]
    assert set(errorbars(cost_figure(groups, labels=words))) == {
        f"{point} {name}" for point in (words["delta_r"], "0.01") for name in expected
    }
    lines = {str(drawn.get_label()) for drawn in scan_figure(groups, labels=words).axes[0].lines}
    assert expected <= lines
    assert label_of("unknown", words) == "unknown"
    assert label_of("x-best-10", words) == "x, best 10 epochs"


def test_a_legend_calls_a_method_by_its_title() -> None:
    assert {name: entry.method.title for name, entry in METHOD_TABLE.items()} == METHOD_LABELS


def test_every_study_names_its_variants_and_points_and_no_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names variants and points, got rate"):
        synthetic_study(tmp_path, labels={"rate": "learning rate"})
    files = sorted((REPOSITORY / "configs" / "study").glob("*.yaml"))
    for path in files:
        content = OmegaConf.to_container(OmegaConf.load(path))
        named = {*content.get("labels", {}), *METHOD_LABELS}
        points = content.get("points", {})
        places = {place for place in points if not place.startswith("0.")}
        assert {*content.get("variants", {}), *places} <= named, path


def test_what_points_and_bars_are_stands_on_the_figure(compared: Path) -> None:
    groups = Comparison.from_json(
        io.read_json(compared / "comparison.json"), compared / "comparison.json"
    ).groups
    for figure in (cost_figure(groups), robustness_figure(groups)):
        assert "median over 4 runs, bars: central 68%" in texts(figure)
    assert "median over 4 runs, bands: central 68%" in texts(scan_figure(groups))
    assert "bars: error of the fit" in texts(fraction_figure(groups))
    runs = {name: [curve(3.0), curve(2.0)] for name in "ab"}
    assert "line: median, band: central 68% over 2 runs" in texts(comparison_figure(runs))
    single = {name: [curve(3.0)] for name in "ab"}
    assert "one run each, no band" in texts(comparison_figure(single))


def test_no_legend_lies_on_the_curves_of_many_methods() -> None:
    few = comparison_figure({name: [curve(3.0)] for name in "ab"})
    many = comparison_figure({name: [curve(3.0)] for name in "abcd"})
    assert few.axes[0].get_legend() is not None
    assert many.axes[0].get_legend() is None
    assert len(many.legends[0].get_texts()) == 5


def test_long_labels_stay_inside_the_figure() -> None:
    names = [f"a mixture of Gaussians with many settings, number {n}" for n in range(9)]
    groups = [group(name, max_sic=[3.0, 4.0], cpu_seconds=[1.0, 2.0]) for name in names]
    curves = {name: [curve(3.0)] for name in names}
    for figure in (cost_figure(groups), comparison_figure(curves), roc_comparison_figure(curves)):
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_the_description_leaves_the_corner_to_which_curves_rise() -> None:
    found, nothing = ([curve(3.0)], [curve(1.2)])
    for curves, side in ((found, "right"), (nothing, "left")):
        _, right = comparison_figure({"a": curves}).axes
        assert {text.get_ha() for text in right.texts} == {side}


def test_roc_comparison_draws_rejection_with_a_band() -> None:
    runs = [curve(shift) for shift in (2.0, 3.0, 4.0)]
    axes = roc_comparison_figure({"one": runs[:1], "three": runs}).axes[0]
    drawn = line(axes, "three (3 runs)")
    np.testing.assert_allclose(ys(drawn), xs(drawn) ** -3.0, rtol=2e-3)
    assert len(bands(axes)) == 1
    np.testing.assert_allclose(ys(line(axes, "random")), 1 / xs(line(axes, "random")))
    assert axes.get_yscale() == "log"


def test_scan_shows_sic_and_the_significance_it_achieves() -> None:
    groups = [
        group(
            "anode",
            point,
            s_over_b=[x, x, x],
            s_over_sqrt_b=[200 * x] * 3,
            max_sic=[1.0, 4.0, 5.0],
            sic_at=[2.0, 3.0, None],
        )
        for point, x in (("big", 0.01), ("small", 0.001), ("none", 0.0))
    ]
    assert significances(groups[0]) == pytest.approx([4.0, 6.0])
    first, second, third = scan_figure(groups, PAPER).axes
    np.testing.assert_allclose(xs(line(first, "ANODE")), [0.001, 0.01])
    np.testing.assert_allclose(ys(line(first, "ANODE")), 4.0)
    np.testing.assert_allclose(ys(line(second, "ANODE")), 2.5)
    np.testing.assert_allclose(ys(line(third, "ANODE")), [0.5, 5.0])
    np.testing.assert_allclose(ys(line(third, "no cut")), [0.2, 2.0])
    assert len(bands(first)) == 1
    assert {r"3$\sigma$", r"5$\sigma$"} <= {text.get_text() for text in third.texts}
    marks = [(xs(m)[0], ys(m)[0]) for m in first.lines if m.get_marker() == "d" and len(xs(m))]
    assert sorted(marks) == [(0.002, 2.4), (0.003, 3.7), (0.004, 4.7), (0.006, 6.46)]
    shown = texts(scan_figure(groups, PAPER))
    assert "LHC Olympics sample, 2109.00546" in shown
    assert "LHC" not in texts(scan_figure(groups))
    assert "no runs with signal" in texts(scan_figure(groups[2:]))


def test_cost_is_a_point_a_method() -> None:
    groups = [
        group("anode", cpu_seconds=[10.0, 20.0, 30.0], max_sic=[5.0, 6.0, 7.0]),
        group("cwola", max_sic=[5.0]),
    ]
    figure = cost_figure(groups)
    ((label, drawn),) = errorbars(figure).items()
    assert label == "ANODE"
    assert (xs(drawn[0])[0], ys(drawn[0])[0]) == (20.0, 6.0)
    assert figure.axes[0].get_xscale() == "log"
    assert "[s]" in figure.axes[0].get_xlabel()
    assert "no CPU seconds" in texts(cost_figure(groups[1:]))


def test_fractions_are_drawn_against_truth_with_their_pulls() -> None:
    fitted = group(
        "r_anode",
        true_signal_fraction=[0.01, 0.01, 0.0],
        signal_fraction=[0.012, 0.009, None],
        signal_fraction_error=[0.001, 0.001, 0.001],
    )
    figure = fraction_figure([fitted, group("anode", max_sic=[3.0])])
    top, bottom = figure.axes
    (drawn,) = errorbars(figure).values()
    np.testing.assert_allclose(ys(drawn[0]), [1.2, 0.9])
    (pulls,) = errorbars(figure, 1).values()
    np.testing.assert_allclose(ys(pulls[0]), [2.0, -1.0])
    diagonal = line(top, "fitted = true")
    np.testing.assert_array_equal(xs(diagonal), ys(diagonal))
    assert "pulls +0.50 ± 1.50, 2 runs" in texts(figure)
    assert bottom.get_ylabel() == "pull"
    assert "no fitted signal fractions" in texts(fraction_figure([group("anode")]))


def test_robustness_puts_points_of_a_method_in_its_place() -> None:
    groups = [
        group(name, point, max_sic=[value, value + 2], sic_at=[value / 2, None])
        for point, value in (("default", 10.0), ("shifted", 1.0))
        for name in ("cathode", "cwola")
    ]
    top, bottom = robustness_figure(groups, PAPER).axes
    drawn = [c for c in top.containers if isinstance(c, ErrorbarContainer)]
    where = [(float(xs(c[0])[0]), float(ys(c[0])[0])) for c in drawn]
    expected = [(-0.2, 11.0), (0.2, 11.0), (0.8, 2.0), (1.2, 2.0)]
    np.testing.assert_allclose(where, expected)
    assert [text.get_text() for text in bottom.get_xticklabels()] == ["default", "shifted"]
    marks = [ys(m)[0] for m in top.lines if m.get_marker() == "d" and len(ys(m))]
    assert marks == [13.99, 10.75, 10.18, 1.04]
    assert "LHC Olympics sample, 2109.00546, $S/B$ = 0.6%" in texts(
        robustness_figure(groups, PAPER)
    )
    assert "no truth labels" in texts(robustness_figure([group("anode")]))


def test_gains_and_sic_are_differences_to_the_first_group_over_common_seeds():
    first = group("default", likelihood_gain=[0.01, 0.02, 0.03], max_sic=[10.0, 12.0, 14.0])
    other = group("more", likelihood_gain=[0.011, 0.022, None], max_sic=[11.0, 14.0, 99.0])
    figure = gain_figure([first, other], labels={"default": "default recipe"})
    assert "differences to default recipe over common runs" in texts(figure)
    point = errorbars(figure)["more"][0]
    assert xs(point) == pytest.approx([1.5])  # thousandths
    assert ys(point) == pytest.approx([np.mean([1.0, 2.0, 85.0])])


def test_the_selected_events_are_drawn_beside_all_data_and_the_true_signal():
    values = {"selection.all": 50.0, "selection.1e-2": 80.0, "selection.signal": 100.0}
    named = {
        f"{key}.mj1.{edge}": [middle + shift] * 2
        for key, middle in values.items()
        for edge, shift in (("low", -10.0), ("median", 0.0), ("high", 20.0))
    }
    figure = selection_figure([group("anode", **named), group("cathode")])
    panel = figure.axes[0]
    (bar,) = panel.containers
    assert xs(bar[0]) == [80.0]
    (segment,) = bar[2][0].get_segments()
    assert segment[:, 0].tolist() == [70.0, 100.0]
    spans = {patch.get_label(): patch.get_extents() for patch in panel.patches}
    assert {"all data, central 68%", "true signal, central 68%"} == set(spans)
    assert "the 1% with the highest scores, median and central 68%" in texts(figure)
    assert "no selected events" in texts(selection_figure([group("cathode")]))


def test_numbers_of_ours_and_published_ones_of_the_like_stand_in_one_row() -> None:
    auc = {"auc": [0.6, 0.7, 0.8], "max_sic": [1.0, 1.1, 1.2], "s_over_b": [0.03] * 3}
    groups = [group("unet", **auc), group("mine", **auc), group("no labels")]
    figure = claims_figure(groups, PUBLISHED["write_ups"])
    first = figure.axes[0]
    assert [text.get_text() for text in first.get_yticklabels()] == ["unet", "mine"]
    hollow = [mark for mark in first.lines if mark.get_marker() == "d"]
    assert [(xs(mark)[0], ys(mark)[0]) for mark in hollow] == [(0.92, 0)]
    ours = [bar for bar in first.containers if isinstance(bar, ErrorbarContainer)]
    assert [xs(bar[0])[0] for bar in ours] == [0.7, 0.7]
    assert not [mark for mark in figure.axes[1].lines if mark.get_marker() == "d"]
    assert "public write-ups" in texts(figure)
    assert "median over 3 runs, bars: central 68%" in texts(figure)
    assert "$S/B$ = 3.00%" in texts(figure)
    assert "at least 25 test background events" in texts(figure)
    assert "no run has truth labels" in texts(claims_figure([group("anode")]))


def test_what_a_score_follows_is_written_in_its_row_and_white_where_nothing_is_known() -> None:
    one = group("ae", **{"follows.mj1": [0.5, 0.7], "follows.mass": [-0.1, -0.1]})
    other = group("cae", **{"follows.n_particles": [0.9, 0.9]})
    figure = follows_figure([one, other, group("anode")])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["ae", "cae"]
    found = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
    assert found == {(0, 0): "\N{MINUS SIGN}0.10", (1, 0): "+0.60", (2, 1): "+0.90"}
    assert axes.get_xticklabels()[0].get_text() == "$m_{JJ}$"
    assert "no run says" in texts(follows_figure([group("anode")]))
