"""What the figures show is read back from them: lines, bands, labels, and bytes on disk."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, QuadMesh
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import StepPatch

from anode.errors import DataError
from anode.evaluation.closure import closure
from anode.evaluation.curves import MIN_BACKGROUND, Performance, SicCurve, performance
from anode.methods.build import METHODS
from anode.reporting.common import style as house_style
from anode.reporting.common.style import feature_label, notice_figure, save_figure
from anode.reporting.run.check_figures import LossHistory, losses_figure, mass_figure
from anode.reporting.run.closure_figure import closure_figure
from anode.reporting.run.score_figures import roc_figure, score_figure, sic_figure
from anode.reporting.study.comparison_figures import comparison_figure
from helpers.drawn import bands, line, texts, xs, ys


def gaussian_performance(seed: int, shift: float = 1.5) -> Performance:
    """Performance of a score N(0, 1) for background and N(shift, 1) for signal."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], [4000, 1000])
    return performance(rng.normal(size=5000) + shift * label, label, rng, n_bootstrap=50)


@pytest.fixture(scope="module")
def result() -> Performance:
    return gaussian_performance(0)


def outlines(axes: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Contents and edges of the histograms that have a name in the legend."""
    steps = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    return [patch.get_data()[:2] for patch in steps if patch.get_label()]


def corners(band: FillBetweenPolyCollection) -> np.ndarray:
    """(V, 2) vertices of a filled band."""
    return np.asarray(band.get_paths()[0].vertices)


def test_sic_figure_draws_the_curve_against_both_efficiencies(result: Performance) -> None:
    left, right = sic_figure({"ANODE": result}).axes
    drawn = line(left, "ANODE")
    np.testing.assert_array_equal(xs(drawn), result.sic.tpr)
    np.testing.assert_array_equal(ys(drawn), result.sic.sic)
    np.testing.assert_array_equal(xs(right.lines[0]), result.sic.fpr)
    assert (left.get_xscale(), right.get_xscale()) == ("linear", "log")
    assert f"max {result.max_sic:.2f}" in str(drawn.get_label())


def test_sic_figure_draws_nothing_below_the_statistics_cut(result: Performance) -> None:
    right = sic_figure({"ANODE": result}).axes[1]
    assert np.min(xs(right.lines[0])) == result.fpr_floor == MIN_BACKGROUND / 4000
    assert right.get_xlim() == (result.fpr_floor, 1)


def test_sic_figure_shows_the_random_score_as_the_square_root_of_tpr(result: Performance) -> None:
    random = line(sic_figure({"ANODE": result}).axes[0], "random")
    np.testing.assert_allclose(ys(random), np.sqrt(xs(random)))


def test_sic_bands_contain_the_curve_in_both_panels(result: Performance) -> None:
    left, right = sic_figure({"ANODE": result}).axes
    for axes, x in ((left, result.sic.tpr), (right, result.sic.fpr)):
        (band,) = bands(axes)
        vertices = corners(band)
        assert vertices[:, 0].min() == pytest.approx(x.min())
        middle = len(x) // 2
        heights = vertices[np.isclose(vertices[:, 0], x[middle]), 1]
        assert heights.min() <= result.sic.sic[middle] <= heights.max()
        assert heights.max() - heights.min() < 5 * result.sic.sic_error[middle]


def test_sic_figure_says_what_was_injected_and_how_it_was_tested(result: Performance) -> None:
    shown = texts(sic_figure({"ANODE": result}, s_over_b=0.0063, s_over_sqrt_b=2.21))
    assert "0.63%" in shown
    assert "2.2" in shown
    assert "1,000 signal, 4,000 background" in shown
    assert "at least 25 background events" in shown
    assert "band: 68% bootstrap" in shown
    assert "no signal in the data" in texts(sic_figure({"ANODE": result}, s_over_b=0.0))


@pytest.mark.parametrize("draw", [roc_figure, sic_figure, comparison_figure])
@pytest.mark.parametrize("nothing", [None, {}])
def test_without_labels_the_figure_says_so(draw, nothing) -> None:  # type: ignore[no-untyped-def]
    figure = draw(nothing or {})
    assert texts(figure).strip() == "no truth labels: no ROC/SIC"
    assert not any(axes.axison for axes in figure.axes)


def test_too_little_background_for_sic_still_gives_figures() -> None:
    rng = np.random.default_rng(0)
    few = performance(rng.normal(size=60), np.arange(60) % 4 > 0, rng, n_bootstrap=5)
    assert few.max_sic is None
    assert comparison_figure({"few": [few.sic]}).texts
    for draw in (sic_figure, roc_figure):
        draw({"ANODE": few}).draw_without_rendering()


def test_roc_figure_draws_every_cut_that_background_passes(result: Performance) -> None:
    axes = roc_figure({"ANODE": result}).axes[0]
    drawn = line(axes, "ANODE")
    kept = result.roc.fpr > 0
    np.testing.assert_array_equal(xs(drawn), result.roc.tpr[kept])
    np.testing.assert_array_equal(ys(drawn), result.roc.fpr[kept])
    assert f"AUC = {result.auc:.3f} ± {result.auc_error:.3f}" in str(drawn.get_label())
    assert "TPR" in axes.get_xlabel()
    assert "FPR" in axes.get_ylabel()


def test_several_methods_have_their_own_colours(result: Performance) -> None:
    left = sic_figure({"ANODE": result, "CWoLa": gaussian_performance(1, 1.0)}).axes[0]
    assert line(left, "ANODE").get_color() != line(left, "CWoLa").get_color()


def test_comparison_figure_draws_the_median_and_band_of_the_runs() -> None:
    fpr = np.linspace(0.01, 1, 50)
    tpr = np.sqrt(fpr)
    runs = [SicCurve(fpr, tpr, sic, sic, sic, sic) for sic in np.arange(1.0, 6)[:, None] + 0 * fpr]
    left, right = comparison_figure({"five": runs, "one": runs[:1], "none": []}).axes
    np.testing.assert_allclose(ys(line(left, "five (5 runs)")), 3.0)
    np.testing.assert_allclose(ys(line(right, "five (5 runs)")), 3.0)
    np.testing.assert_allclose(ys(line(left, "one (1 run)")), 1.0)
    (band,) = bands(left)
    heights = corners(band)[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((1.63462, 4.36538))


def test_many_groups_are_lines_without_bands_and_the_legend_leaves_the_curves() -> None:
    fpr = np.linspace(0.01, 1, 50)
    run = SicCurve(fpr, np.sqrt(fpr), 1 + fpr, fpr, fpr, fpr)
    figure = comparison_figure({f"group {n}": [run, run] for n in range(15)})
    left, _ = figure.axes
    assert not bands(left)
    assert left.get_legend() is None
    assert len(figure.legends[0].get_texts()) == 16  # the random score too


def test_comparison_is_drawn_only_where_every_run_has_a_point() -> None:
    first, second = (
        SicCurve(fpr, np.sqrt(fpr), 1 / fpr, fpr, fpr, fpr)
        for fpr in (np.linspace(0.01, 1, 50), np.linspace(0.04, 1, 50))
    )
    left, right = comparison_figure({"runs": [first, second]}).axes
    assert np.min(xs(line(left, "runs"))) == pytest.approx(0.2)
    assert np.min(xs(line(right, "runs"))) == pytest.approx(0.04)


def test_score_histograms_are_fractions_and_lose_no_event() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], [3000, 1000])
    score = rng.standard_t(2, size=4000) + 2 * label
    figure = score_figure(score[:2000], score, label)
    axes = figure.axes[0]
    background, signal = outlines(axes)
    assert background[0].sum() == pytest.approx(1)
    assert signal[0].sum() == pytest.approx(1)
    assert "test background (3,000 events)\ntest signal (1,000 events)" in texts(figure)
    assert axes.get_yscale() == "log"
    assert "data (2,000 events)" in texts(figure)


def test_bins_that_hold_what_lies_beyond_them_are_hatched_and_others_are_not() -> None:
    score = np.linspace(0, 1, 1000)
    spread = score_figure(np.append(score, [50.0, 60.0]))
    hatched = [patch for patch in spread.axes[0].patches if patch.get_hatch()]
    low, high = sorted(patch.get_extents().x1 for patch in hatched)
    assert low < high == pytest.approx(spread.axes[0].bbox.x1)
    assert "with all events beyond" in texts(spread)
    assert not [p for p in score_figure(np.zeros(10)).axes[0].patches if p.get_hatch()]


def test_the_densities_of_a_score_are_symbols() -> None:
    score = np.random.default_rng(0).normal(size=500)
    figure = score_figure(score, score_label="log p_data(x|m) - log p_bg(x|m)")
    assert r"log $p_\mathrm{data}(x|m)$" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize("meaning", sorted({m.method.meaning for m in METHODS.values()}))
def test_the_meaning_of_every_score_fits_below_its_axis(meaning: str) -> None:
    figure = score_figure(np.arange(100.0), score_label=f"anomaly score: {meaning}")
    figure.draw_without_rendering()
    label = figure.axes[0].xaxis.label.get_window_extent()
    assert figure.bbox.x0 <= label.x0
    assert label.x1 <= figure.bbox.x1


def test_score_figure_without_labels_shows_the_data_and_says_so() -> None:
    figure = score_figure(np.random.default_rng(0).normal(size=500))
    assert "no truth labels" in texts(figure)
    assert not outlines(figure.axes[0])
    score_figure(np.zeros(10)).draw_without_rendering()


def mass_sample() -> tuple[np.ndarray, np.ndarray]:
    """5000 masses [GeV] in the signal region and scores that know nothing of them."""
    rng = np.random.default_rng(0)
    return rng.uniform(3300, 3700, 5000), rng.normal(size=5000)


def test_mass_spectra_hold_the_stated_fractions_and_are_in_tev() -> None:
    mass, score = mass_sample()
    figure = mass_figure(mass, score, signal_region=(3300, 3700))
    top, bottom = figure.axes
    spectra = outlines(top)
    assert [counts.sum() for counts, _ in spectra] == [5000, 500, 50, 5]
    edges = spectra[0][1]
    assert (edges[0], edges[-1]) == (3.3, 3.7)
    assert top.get_xlabel() == bottom.get_xlabel() == r"$m_{JJ}$ [TeV]"
    assert top.get_ylabel() == "events / 40 GeV"
    assert top.get_yscale() == "log"
    assert r"$\chi^2$/ndf" in texts(figure)


def test_cuts_and_events_beyond_the_bins_are_named() -> None:
    mass, score = mass_sample()
    edges = np.linspace(3310, 3700, 11)
    figure = mass_figure(mass, score, signal_region=(3300, 3700), edges=edges)
    shown = texts(figure)
    assert "no cut, scored events: 5,000" in shown
    assert "score cut, 10% of the signal region kept: 500" in shown
    assert "68% Clopper-Pearson" in shown
    assert f"{np.sum(mass < 3310)} below" in shown
    assert "above" not in shown


def test_pass_rates_scatter_about_one_without_sculpting() -> None:
    mass, score = mass_sample()
    bottom = mass_figure(mass, score, signal_region=(3300, 3700), fractions=[0.1]).axes[1]
    (points,) = [entry for entry in bottom.containers if isinstance(entry, ErrorbarContainer)]
    rates = ys(points[0])
    assert len(rates) == 10
    assert rates.mean() == pytest.approx(1, abs=0.01)
    assert np.all(np.abs(rates - 1) < 0.5)


def test_pass_rates_are_of_background_alone_where_truth_is_known() -> None:
    mass, score = mass_sample()
    label = np.abs(mass - 3500) < 40
    score = score + 10 * label
    unknown = mass_figure(mass, score, signal_region=(3300, 3700), fractions=[0.3])
    known = mass_figure(mass, score, signal_region=(3300, 3700), fractions=[0.3], label=label)
    peak = [np.nanmax(ys(figure.axes[1].lines[0])) for figure in (unknown, known)]
    assert peak[0] > 2
    assert peak[1] < 1.5
    assert "background" in known.axes[1].get_ylabel()


def test_sidebands_are_drawn_before_cuts_and_the_signal_region_is_shaded() -> None:
    mass, score = mass_sample()
    side = np.random.default_rng(1).uniform(2900, 3300, 3000)
    figure = mass_figure(mass, score, signal_region=(3300, 3700), unscored_mass=side)
    top, bottom = figure.axes
    counts, edges = outlines(top)[0]
    assert counts.sum() > 7950
    assert np.isclose(edges, 3.3).any()
    assert "signal region in grey" in texts(figure)
    assert bottom.get_xlim() == pytest.approx((3.3, 3.7))


def test_mass_figure_refuses_scores_of_other_events() -> None:
    with pytest.raises(DataError, match="as many scores as masses"):
        mass_figure(np.zeros(3), np.zeros(2), signal_region=(0, 1))


def test_losses_are_drawn_at_their_epochs_with_the_members_marked() -> None:
    epoch = np.arange(1, 21)
    history = LossHistory(epoch, 5 + 1 / epoch, 5.1 + 1 / epoch, (18, 19, 20))
    figure = losses_figure({"p_bg": [history], "p_data": [history, history]})
    first, second = figure.axes
    training, validation, members = first.lines[:3]
    np.testing.assert_array_equal(ys(training), history.train)
    np.testing.assert_array_equal(xs(validation), epoch)
    np.testing.assert_array_equal(xs(members), [18, 19, 20])
    np.testing.assert_array_equal(ys(members), history.validation[-3:])
    assert [line.get_marker() for line in second.lines[6:]] == ["^"] * 4  # the first losses
    assert "2 folds" in texts(figure)
    assert "beyond the frame" in texts(figure)
    assert "nats" in first.get_ylabel()


def test_losses_that_are_not_finite_leave_a_figure() -> None:
    nothing = np.full(3, np.nan)
    losses_figure({"p": [LossHistory(np.arange(3), nothing, nothing)]}).draw_without_rendering()
    assert "no training" in texts(losses_figure({}))


def test_closure_figure_is_a_corner_of_histograms_contours_and_pulls() -> None:
    rng = np.random.default_rng(0)
    generated, reference = rng.normal(size=(4000, 3)), rng.normal(size=(3000, 3))
    compared = closure(generated, reference, ["mj1", "tau21_1", "free"])
    figure = closure_figure(compared, generated, reference)
    maps = [
        entry
        for axes in figure.axes[:-1]
        for entry in axes.collections
        if isinstance(entry, QuadMesh)
    ]
    assert len(maps) == 3
    np.testing.assert_array_equal(
        np.ma.filled(np.ma.asarray(maps[0].get_array()), np.nan), compared.pairs[0].pull
    )
    shown = texts(figure)
    for label in (
        r"$m_{J_1}$ [GeV]",
        r"$\tau_{21}^{J_1}$",
        "free",
        "4,000 events",
        "3,000 events",
    ):
        assert label in shown
    assert f"{compared.pairs[0].chi2:.0f}/{compared.pairs[0].ndf}" in shown


def test_contours_say_what_they_enclose_and_histograms_what_they_leave_out() -> None:
    rng = np.random.default_rng(0)
    events = rng.normal(size=(4000, 2))
    figure = closure_figure(closure(events, events, ["x", "y"]), events, events)
    (panel,) = [axes for axes in figure.axes if "50%" in [t.get_text() for t in axes.texts]]
    inner, outer = sorted(panel.texts, key=lambda text: text.get_text())
    assert (inner.get_text(), outer.get_text()) == ("50%", "90%")
    np.testing.assert_allclose(inner.xy, 0, atol=0.2)
    assert 1.7 < np.hypot(*outer.xy) < 2.6  # sqrt(-2 ln 0.1) = 2.1, smoothed
    assert "contours enclose 50% and 90%" in figure.legends[0].get_title().get_text()
    first = events[:, 0]
    low, high = figure.axes[0].get_xlim()
    beyond = [f"{2 * np.sum(first < low)} below", f"{2 * np.sum(first > high)} above"]
    assert all(text in texts(figure) for text in beyond)


def test_closure_ratio_is_that_of_the_fractions() -> None:
    rng = np.random.default_rng(0)
    generated, reference = rng.normal(size=(4000, 1)), rng.normal(size=(1000, 1))
    compared = closure(generated, reference, ["x"])
    bottom = closure_figure(compared, generated, reference).axes[1]
    (points,) = [entry for entry in bottom.containers if isinstance(entry, ErrorbarContainer)]
    segments = np.array(points[2][1].get_segments())
    part = compared.features[0]
    ratio = part.generated / 4000 / (part.reference / 1000)
    np.testing.assert_allclose(segments.mean(axis=1)[:, 1], ratio)


def test_closure_figure_shows_six_of_many_features_and_says_so() -> None:
    rng = np.random.default_rng(0)
    events = rng.normal(size=(300, 8))
    compared = closure(events, events, [f"x{i}" for i in range(8)])
    figure = closure_figure(compared, events, events)
    assert "first 6 of 8 features" in texts(figure)
    with pytest.raises(DataError, match="8 columns of generated events"):
        closure_figure(compared, events[:, :3], events)


@pytest.mark.parametrize(
    ("name", "unit", "label"),
    [
        ("mj1", None, "$m_{J_1}$ [GeV]"),
        ("delta_mj", None, r"$\Delta m_J$ [GeV]"),
        ("tau32_2", None, r"$\tau_{32}^{J_2}$"),
        ("delta_r", None, r"$\Delta R_{JJ}$"),
        ("pt_1", "TeV", r"$p_\mathrm{T}^{J_1}$ [TeV]"),
        ("latent_7", None, "latent_7"),
        ("cost$", "", r"cost\$"),
    ],
)
def test_features_have_symbols_and_units(name: str, unit: str | None, label: str) -> None:
    assert feature_label(name, unit) == label


def test_saved_figures_have_the_same_bytes_each_time(tmp_path: Path, result: Performance) -> None:
    written = [
        save_figure(roc_figure({"ANODE": result}), tmp_path / folder / "roc_0.5")
        for folder in "ab"
    ]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
    png, pdf = written[0]
    assert (png.name, pdf.name) == ("roc_0.5.png", "roc_0.5.pdf")
    assert b"CreationDate" not in pdf.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [pdf.name, png.name]


def test_a_failed_write_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png, pdf = save_figure(notice_figure("old"), tmp_path / "figure")
    old = png.read_bytes(), pdf.read_bytes()
    figure = notice_figure("new")
    save = figure.savefig

    def full_disk(path: Path, *, format: str, **options: Any) -> None:
        if format == "pdf":
            raise OSError("no space left on device")
        save(path, format=format, **options)

    monkeypatch.setattr(figure, "savefig", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save_figure(figure, tmp_path / "figure")
    assert (png.read_bytes(), pdf.read_bytes()) == old
    assert len(list(tmp_path.iterdir())) == 2


def test_saving_empties_the_figure_unless_told_otherwise(tmp_path: Path) -> None:
    figure = notice_figure("text")
    save_figure(figure, tmp_path / "kept", close=False)
    assert figure.texts
    save_figure(figure, tmp_path / "closed")
    assert not figure.texts


def test_our_style_stays_inside_its_block() -> None:
    before = dict(mpl.rcParams)
    with house_style.style():
        assert mpl.rcParams["xtick.direction"] == "in"
    assert dict(mpl.rcParams) == before
