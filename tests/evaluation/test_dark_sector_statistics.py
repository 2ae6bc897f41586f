"""Statistics of dark-sector jets against sums of numpy and scipy, and the public tables byte for
byte."""

from pathlib import Path

import numpy as np
import pytest
import scipy
from numpy.testing import assert_allclose

from anode.errors import DataError
from anode.evaluation.dark_sector import describe as description
from anode.evaluation.dark_sector.describe import (
    SIGNAL,
    STANDARD_MODEL,
    compared,
    describe_jets,
    summarise_file,
)
from anode.evaluation.dark_sector.matching import match_pt
from anode.evaluation.dark_sector.slices import (
    KINEMATICS,
    all_with_value,
    benchmark,
    one_parameter,
)
from anode.evaluation.dark_sector.summary_table import (
    SliceRow,
    format_results,
    format_rows,
    parse_rows,
    read_rows,
)
from anode.evaluation.dark_sector.two_samples import (
    Sample,
    ks_distance,
    kuiper_distance,
    log10_kolmogorov,
    log10_kuiper,
    log10_of_any,
)
from anode.events.dark_sector.jets_file import read_jets, structure
from anode.events.dark_sector.names import SignalPoint, dark_sector_files
from helpers import dark_sector_files as files
from helpers.settings import REPOSITORY

GOLDEN = REPOSITORY / "tests/golden/dark_sector"
EXACT = 1e-12
"""Relative: all numbers are float64 sums of a few thousand values."""


@pytest.mark.parametrize("name", ["summary_rinv.tsv", "summary_alpha.tsv"])
def test_the_public_tables_come_out_byte_for_byte(name):
    rows = read_rows(GOLDEN / name)
    assert len(rows) == 15
    assert format_rows(rows).encode() == (GOLDEN / name).read_bytes()


def test_the_public_counts_add_up():
    """143,402 dark jets: each value of a parameter has its share."""
    for name in ("summary_rinv.tsv", "summary_alpha.tsv"):
        rows = read_rows(GOLDEN / name)
        assert sum({row.value: row.signal_count for row in rows}.values()) == 143_402


def test_tables_that_are_none_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_rows(tmp_path / "nowhere.tsv")
    with pytest.raises(DataError, match="the first columns must be param, value, feature"):
        parse_rows("param\tks\n")
    good = (GOLDEN / "summary_rinv.tsv").read_text()
    with pytest.raises(DataError, match="cannot read line 2"):
        parse_rows(good.replace("24774", "many", 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return files.write_folder(tmp_path_factory.mktemp("dark") / "files", n=120)


@pytest.fixture(scope="module")
def described(folder):
    paths = dark_sector_files(folder)
    jets = [read_jets(path) for path in paths]
    samples = compared(jets)
    summaries = [
        summarise_file(each, path.stat().st_size) for each, path in zip(jets, paths, strict=True)
    ]
    return describe_jets(summaries, structure(paths[0]), paths[0].name, samples)


MADE = {name: files.jets(120, seed, softness=3.0 if name == files.HIDDEN else 1.0)
        for seed, name in enumerate(files.ALL, start=1)}  # fmt: skip
DARK = np.arange(120) % 5 > 0
SM = MADE[files.STANDARD_MODEL]
SLICES = {
    ("rinv", "0.3"): (files.PEAK, files.LOW, files.HEAVY),
    ("rinv", "0.8"): (files.HIDDEN,),
    ("alpha", "low"): (files.LOW,),
    ("alpha", "peak"): (files.PEAK, files.HIDDEN, files.HEAVY),
}


def together(names, feature) -> np.ndarray:
    return np.concatenate([MADE[name][feature][DARK] for name in names])


def test_counts_and_filled_slots_are_those_of_the_files(described):
    found = {file.name: file for file in described.files}
    assert set(found) == set(files.ALL)
    for name, made in MADE.items():
        particles = made["particle_features"].reshape(120, 20, 3)
        assert found[name].n_jets == 120
        assert found[name].n_dark == (0 if name == files.STANDARD_MODEL else 96)
        assert found[name].n_events == 40
        filled = np.mean(~np.any(particles == -999, axis=2))
        assert found[name].filled == pytest.approx(filled, rel=EXACT)
    assert described.representative == files.LOW


def test_moments_are_those_of_numpy(described):
    signals = [name for name in files.ALL if name != files.STANDARD_MODEL]
    for feature in KINEMATICS:
        for sample, values in (
            (SIGNAL, together(signals, feature)), (STANDARD_MODEL, SM[feature])
        ):  # fmt: skip
            expected = [
                len(values), values.mean(), values.std(ddof=0), values.min(), values.max()
            ]  # fmt: skip
            assert_allclose(described.jets[sample][feature], expected, rtol=EXACT, atol=EXACT)
    for place, feature in enumerate(("pT", "eta", "phi")):
        for sample, names in ((SIGNAL, signals), (STANDARD_MODEL, [files.STANDARD_MODEL])):
            chosen = DARK if sample == SIGNAL else slice(None)
            triples = np.concatenate(
                [MADE[n]["particle_features"].reshape(120, 20, 3)[chosen] for n in names]
            ).reshape(-1, 3)
            values = triples[(triples != -999).all(axis=1)][:, place]
            expected = [
                len(values), values.mean(), values.std(ddof=0), values.min(), values.max()
            ]  # fmt: skip
            # the order of the sum differs: up to 1e-13 of the largest value
            assert_allclose(described.particles[sample][feature], expected, rtol=EXACT, atol=1e-11)


def test_slices_are_those_of_numpy_and_scipy(described):
    rows = {
        (r.row.param, r.row.value, r.row.feature): r.row
        for results in described.slices.values()
        for r in results
    }
    assert len(rows) == 5 * len(SLICES)
    for (param, value), names in SLICES.items():
        for feature in KINEMATICS:
            row, own, other = rows[param, value, feature], together(names, feature), SM[feature]
            expected = [
                len(own),
                120,
                own.mean(),
                other.mean(),
                own.mean() - other.mean(),
                scipy.stats.ks_2samp(own, other).statistic,
            ]
            assert_allclose(row[3:], expected, rtol=1e-11, atol=1e-12)


def test_only_one_parameter_varies_in_the_other_slices(described):
    assert set(described.one_parameter) == {"mDark", "rinv", "alpha"}
    values = {
        param: list(dict.fromkeys(r.row.value for r in results))
        for param, results in described.one_parameter.items()
    }
    assert values == {"mDark": ["1", "2.5"], "rinv": ["0.3", "0.8"], "alpha": ["low", "peak"]}
    counts = {r.row.signal_count for rs in described.one_parameter.values() for r in rs}
    assert counts == {96}
    assert described.n_trials == 5 * (4 + 6)


def test_points_that_share_nothing_have_no_such_slices():
    points = [SignalPoint(2000.0, 1.0, 0.2, "low"), SignalPoint(2000.0, 5.0, 0.3, "peak")]
    assert all(one_parameter(points, param) == [] for param in ("mZprime", "mDark", "rinv"))
    assert [s.value for s in all_with_value(points, "alpha")] == ["low", "peak"]


def test_the_benchmark_is_the_point_that_the_others_vary():
    points = [
        SignalPoint(2000.0, 1.0, 0.2, "peak"),
        SignalPoint(2000.0, 1.0, 0.3, "low"),
        SignalPoint(2000.0, 1.0, 0.3, "peak"),
        SignalPoint(2000.0, 5.0, 0.3, "peak"),
    ]
    assert benchmark(points) == points[2]


# distances


RNG = np.random.default_rng(8)
X, Y = RNG.normal(size=900), RNG.normal(0.15, 1.1, size=700)


def test_an_unweighted_distance_is_that_of_scipy():
    found, expected = ks_distance(Sample(X), Sample(Y)), scipy.stats.ks_2samp(X, Y)
    assert found.value == pytest.approx(expected.statistic, abs=EXACT)
    assert found.effective == pytest.approx(900 * 700 / 1600, rel=EXACT)
    limit = scipy.stats.kstwobign.sf(np.sqrt(found.effective) * found.value)
    assert 10**found.log10_p == pytest.approx(limit, rel=1e-3)  # one term of the series
    x = expected.statistic_location
    f, g = np.mean(x >= X), np.mean(x >= Y)
    error = np.sqrt(f * (1 - f) / 900 + g * (1 - g) / 700)
    assert found.error == pytest.approx(error, rel=1e-9)


def test_whole_weights_are_copies():
    weights = RNG.integers(0, 4, size=700)
    weighted = ks_distance(Sample(X), Sample(Y, weights.astype(float)))
    copied = scipy.stats.ks_2samp(X, np.repeat(Y, weights))
    assert weighted.value == pytest.approx(copied.statistic, abs=EXACT)
    most = weights.sum() ** 2 / (weights**2).sum()
    assert weighted.effective <= 1 / (1 / 900 + 1 / most) + 1e-9


def test_copies_within_an_event_count_once():
    event = np.repeat(np.arange(300), 3)
    values = np.repeat(RNG.normal(size=300), 3)
    once = Sample(values[::3])
    thrice = Sample(values, None, event)
    assert thrice.mean_error() == pytest.approx(once.mean_error(), rel=1e-9)
    assert thrice.effective_size(0.1) == pytest.approx(once.effective_size(0.1), rel=1e-9)
    assert Sample(values).effective_size(0.1) == pytest.approx(900, rel=1e-9)


def test_p_values_are_uniform_for_one_distribution():
    """500 pairs of samples: KS of their p-values below its 1e-4 quantile, 2.2 / sqrt(500)."""
    rng = np.random.default_rng(1)
    for distance in (ks_distance, kuiper_distance):
        p = [
            10 ** distance(Sample(rng.uniform(size=200)), Sample(rng.uniform(size=300))).log10_p
            for _ in range(500)
        ]
        assert scipy.stats.kstest(p, "uniform").statistic < 2.2 / np.sqrt(500)


def test_kuipers_distance_does_not_depend_on_the_origin():
    first, second = RNG.uniform(-np.pi, np.pi, 400), RNG.vonmises(0.3, 0.2, 300)

    def turned(angle: float, distance) -> float:
        moved = [(v + angle + np.pi) % (2 * np.pi) - np.pi for v in (first, second)]
        return distance(*map(Sample, moved)).value

    assert turned(2.0, kuiper_distance) == pytest.approx(turned(0.0, kuiper_distance), abs=EXACT)
    assert abs(turned(2.0, ks_distance) - turned(0.0, ks_distance)) > 1e-3


def test_logarithms_of_p_values_continue_where_p_is_zero():
    for function, at in ((log10_kolmogorov, 1.5), (log10_kuiper, 3.0)):
        assert function(at - 1e-6) == pytest.approx(function(at + 1e-6), abs=1e-4)
    assert log10_kolmogorov(50.0) == pytest.approx(-2 * 50**2 / np.log(10), rel=1e-3)
    assert 10 ** log10_kuiper(1.747) == pytest.approx(0.05, abs=2e-4)  # Stephens's table
    assert log10_of_any(-11.9, 50) == pytest.approx(log10_of_any(-12.1, 50) + 0.2, abs=1e-3)
    assert log10_of_any(0.0, 50) == 0.0


def test_matching_gives_the_signals_momenta_and_leaves_a_real_difference():
    """Masses are pT / 10, and those of a second signal pT / 5: only these differ afterwards."""
    rng = np.random.default_rng(2)
    signal, other = rng.exponential(100, 20_000), rng.exponential(300, 20_000)
    matching = match_pt(signal, other)
    assert matching.matched.all()
    weighted = Sample(other, matching.weights)
    assert ks_distance(Sample(signal), Sample(other)).value > 0.3
    # a hundred bins: what is left within one is below a hundredth; errors of 20,000 beside it
    assert ks_distance(Sample(signal), weighted).value < 0.02
    assert ks_distance(Sample(signal / 10), Sample(other / 10, matching.weights)).value < 0.02
    assert ks_distance(Sample(signal / 5), Sample(other / 10, matching.weights)).value > 0.2
    alone = match_pt(np.array([1.0, 2.0, 1e4]), np.array([1.0, 2.0]))
    assert alone.matched.tolist() == [True, True, False]


def test_the_table_has_the_public_columns_first(described):
    text = format_results(described.slices["rinv"])
    header = text.splitlines()[0].split("\t")
    assert tuple(header[:9]) == SliceRow._fields
    assert header[9:] == [
        "delta_mean_error", "ks_error", "log10_p", "log10_p_trials", "kuiper", "ks_matched",
        "ks_matched_error", "log10_p_matched_trials",
    ]  # fmt: skip
    assert parse_rows(text) == [result.row for result in described.slices["rinv"]]
    assert format_rows(parse_rows(text)).splitlines()[1] == "\t".join(
        text.splitlines()[1].split("\t")[:9]
    )


def test_a_softer_signal_comes_closer_when_its_momenta_are_matched(described):
    by_name = {(r.row.value, r.row.feature): r for r in described.slices["rinv"]}
    for feature in ("jet_pt", "jet_e"):
        hidden = by_name["0.8", feature]
        assert hidden.significance.ks_matched < 0.7 * hidden.row.ks
    assert by_name["0.8", "jet_phi"].significance.kuiper is not None
    assert by_name["0.8", "jet_eta"].significance.kuiper is None


def test_directions_of_a_uniform_azimuth_are_none():
    phi = np.linspace(-np.pi, np.pi, 1000, endpoint=False)
    assert description.direction(phi).length < EXACT
    aligned = description.direction(np.full(50, 3.0))
    assert (aligned.length, aligned.mean) == pytest.approx((1.0, 3.0))
    assert aligned.p_value == pytest.approx(np.exp(-50))


def test_both_a_signal_and_the_standard_model_are_needed(folder, tmp_path):
    alone = [read_jets(folder / files.PEAK)]
    with pytest.raises(DataError, match=r"NominalSM\.h5 lacks"):
        compared(alone)
    with pytest.raises(DataError, match="a signal, AutomatedCMS_"):
        compared([read_jets(folder / files.STANDARD_MODEL)])
    datasets = files.jets(9, 1)
    datasets["jet_is_dark"] = np.zeros(9, bool)
    path = files.write(tmp_path / files.PEAK, datasets)
    with pytest.raises(DataError, match="expected dark jets, but jet_is_dark is False for all"):
        compared([read_jets(path), read_jets(folder / files.STANDARD_MODEL)])
