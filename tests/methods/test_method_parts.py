"""What single methods promise: strips, drawn masses, latent noise, tails, settings refused."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from scipy import stats

from anode.errors import ConfigError, DataError
from anode.events.table import EventTable
from anode.methods.build import build_method
from anode.methods.combination import (
    MIN_TAIL_EVENTS,
    CombinationConfig,
    knots_of,
    minus_log_tail_fraction,
)
from anode.regions.crossfit import CrossFit, SplitConfig, combine
from anode.regions.mass import sample_masses
from helpers.settings import trainer_config
from helpers.small_methods import (
    CATHODE,
    CONFIGS,
    CWOLA,
    HOLDOUT,
    MIXTURE,
    events,
    in_region,
    method,
    r_anode,
    sample,
    settings,
)

# --- masses ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def masses() -> np.ndarray:
    return in_region(sample(20_000, 0, 4)).mass


def test_drawn_masses_follow_the_kernel_density_and_stay_inside(masses):
    some, width = masses[:400], 8.0
    drawn = sample_masses(some, 5000, bandwidth=width, rng=np.random.default_rng(1))
    low, high = some.min(), some.max()
    assert drawn.min() >= low
    assert drawn.max() <= high

    def distribution(x):
        """Of the reflected kernels: what lies between low and x, and its mirror images."""
        x = np.asarray(x)[:, None]
        parts = [
            stats.norm.cdf(x, some, width) - stats.norm.cdf(2 * low - x, some, width),
            stats.norm.cdf(2 * high - low, some, width)
            - stats.norm.cdf(2 * high - x, some, width),
        ]
        return sum(part.mean(axis=1) for part in parts)

    assert distribution([high])[0] == pytest.approx(1, abs=1e-6)
    assert stats.kstest(drawn, distribution).pvalue > 1e-3


def test_drawn_masses_do_not_fall_at_the_edges(masses):
    drawn = sample_masses(masses, 200_000, bandwidth=20.0, rng=np.random.default_rng(1))
    for inside in (lambda m: m < 3310, lambda m: m >= 3690):
        share = inside(masses).mean()
        error = np.sqrt(share / len(masses))
        # Unreflected, a quarter or more would be missing.
        assert inside(drawn).mean() == pytest.approx(share, abs=4 * error)


@pytest.mark.parametrize("wrong", [[], [3500.0], [3500.0, 3500.0]], ids=str)
def test_masses_that_are_no_distribution_are_refused(wrong):
    with pytest.raises(DataError, match="two different masses"):
        sample_masses(np.array(wrong), 5, bandwidth=1.0, rng=np.random.default_rng(1))


# --- CWoLa ----------------------------------------------------------------------------------


def test_both_strips_of_cwola_are_there_and_count_alike(tmp_path):
    cwola, table = method(tmp_path, "cwola"), events("cwola")
    samples = cwola.samples(table, "classifier_fold0")
    low, high = table.signal_region.mass.min(), table.signal_region.mass.max()
    mass = table.sidebands.mass
    used = ((mass < low) & (mass >= low - 200)) | ((mass > high) & (mass < high + 200))
    assert np.array_equal(samples.negative, table.sidebands.features[used])
    below = mass[used] < low
    assert 0 < below.sum() != (~below).sum()
    weight = samples.negative_weight
    assert weight[below].sum() == pytest.approx(weight[~below].sum())


@pytest.mark.parametrize(("side", "keep"), [("below", slice(3700, None)), ("above", slice(3300))])
def test_cwola_without_a_strip_is_refused(tmp_path, side, keep):
    table = events("cwola")
    mass = table.sidebands.mass
    kept = table.sidebands[mass >= 3700 if side == "below" else mass < 3300]
    with pytest.raises(DataError, match=rf"method\.strip=200 GeV {side} the signal region"):
        method(tmp_path, "cwola").fit(table._replace(sidebands=kept))


# --- CATHODE and LaCATHODE ------------------------------------------------------------------


def test_every_fold_of_cathode_gets_draws_of_its_own(tmp_path):
    for name in ("cathode", "lacathode"):
        one, table = method(tmp_path / name, name), events(name)
        one.prepare(table)
        first, again, second = (
            one.samples(table, f"classifier_fold{k}").negative for k in (0, 0, 1)
        )
        assert len(first) == 2 * len(table.signal_region)
        assert np.array_equal(first, again)
        assert not np.isin(first, second).any()


def test_draws_of_cathode_and_its_data_have_the_same_masses_and_features(tmp_path, masses):
    """Without signal, and with p_bg well fitted, nothing tells them apart in one feature."""
    density = dataclasses.replace(MIXTURE, hidden_features=32)
    trainer = trainer_config(epochs=10, batch_size=256)
    one = build_method(tmp_path, settings(density=density, trainer=trainer), CATHODE)
    table = events("cathode", 20_000, 0)
    one.prepare(table)
    samples = one.samples(table, "classifier_fold0")
    for data, drawn in zip(samples.positive.T, samples.negative.T, strict=True):
        assert stats.ks_2samp(data, drawn).statistic < 0.03


def test_background_is_normal_noise_in_the_latent_space(tmp_path):
    density = dataclasses.replace(MIXTURE, hidden_features=32)
    trainer = trainer_config(epochs=10, batch_size=256)
    options = settings(density=density, trainer=trainer)
    one = build_method(tmp_path, options, CONFIGS["lacathode"])
    one.prepare(events("lacathode", 20_000, 0))
    background = in_region(sample(20_000, 0, 9))
    latent = one.represent(background)
    assert latent.shape == background.features.shape
    for feature in latent.T:
        assert stats.kstest(feature, "norm").statistic < 0.03
    correlation = np.corrcoef(np.column_stack([latent, background.mass]).T)
    assert np.abs(correlation - np.eye(5)).max() < 0.06


# --- combination ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 11, 40, 10_000])
def test_a_tail_fraction_is_the_share_above_and_strictly_rising(n):
    score = np.random.default_rng(1).normal(size=n)
    knots = knots_of(score)
    assert (np.diff(knots) > 0).all()
    grid = np.linspace(-12, 12, 500)
    assert (np.diff(minus_log_tail_fraction(grid, knots)) > 0).all()
    if n > 1000:
        middle = np.quantile(score, np.linspace(0.2, 1 - MIN_TAIL_EVENTS / n, 50))
        above = [-np.log((score > t).mean()) for t in middle]
        assert minus_log_tail_fraction(middle, knots) == pytest.approx(np.array(above), abs=0.02)
        # The tail of a normal distribution falls faster than the line goes on.
        assert 0 < minus_log_tail_fraction(np.array([5.0]), knots)[0] < -stats.norm.logsf(5.0)


@for_all(st.lists(st.sampled_from([-3.0, 0.0, 0.5, 1e6]), min_size=2, max_size=50))
def test_tail_fractions_keep_the_order_of_scores_with_ties(score):
    values = minus_log_tail_fraction(np.unique(score), knots_of(np.array(score)))
    assert np.isfinite(values).all()
    if len(knots_of(np.array(score))[0]) > 1:
        assert (np.diff(values) > 0).all()


def test_members_of_a_combination_are_searches_and_at_least_two(tmp_path):
    with pytest.raises(ConfigError, match="at least two methods, got cwola"):
        CombinationConfig("combination", {"cwola": CWOLA})
    members = {"cwola": CWOLA, "iad": CONFIGS["iad"]}
    config = CombinationConfig("combination", members)
    with pytest.raises(ConfigError, match="must be searches, but iad use truth labels"):
        build_method(tmp_path, settings(), config)


def test_the_score_of_a_combination_hangs_on_the_order_of_its_members_alone(tmp_path, monkeypatch):
    """A member whose scores are stretched by any rising function counts as before."""
    table = events("combination")
    one = method(tmp_path, "combination")
    one.fit(table)
    region, known = table.signal_region, np.ones(len(table.signal_region), dtype=bool)
    before = one.score(region, known).score
    (tmp_path / "reference.h5").unlink()
    member = one.members["cwola"]
    real = member.score

    def stretched(events, fitted):
        scores = real(events, fitted)
        return scores._replace(score=np.sinh(3 * scores.score))

    monkeypatch.setattr(member, "score", stretched)
    one.fit(table)
    after = one.score(region, known).score
    assert stats.spearmanr(before, after).statistic > 0.999


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: r_anode("guessed", [0.1]), r"method\.fraction must be one of fixed, scanned"),
        (lambda: r_anode("learned", [0.1, 0.2]), r"takes one of method\.fractions"),
        (lambda: r_anode("scanned", []), r"method\.fractions must lie in \(0, 1\)"),
        (lambda: r_anode("fixed", [1.0]), r"method\.fractions must lie in \(0, 1\)"),
        (lambda: r_anode("learned", [0.1], patience=3), r"method\.trainer\.patience must be null"),
        (lambda: r_anode("learned", [0.7]), r"method\.fractions must be at most 0\.5"),
        (lambda: dataclasses.replace(CATHODE, oversampling=0.0), r"method\.oversampling"),
        (lambda: dataclasses.replace(CATHODE, mass_bandwidth=-1.0), r"method\.mass_bandwidth"),
        (lambda: dataclasses.replace(CWOLA, strip=0.0), r"method\.strip must be above 0"),
        (lambda: SplitConfig("thirds", 2, 0.1, 0.5, "one_fold"), r"split\.mode"),
        (lambda: SplitConfig("kfold", 2, 0.1, 0.5, "all"), r"split\.extra"),
    ],
)
def test_wrong_settings_are_refused_by_key(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("name", ["cathode", "lacathode", "cwola", "iad", "supervised"])
def test_a_method_of_classifiers_needs_one(tmp_path, name):
    with pytest.raises(ConfigError, match="needs classifier=hgb or mlp, got null"):
        build_method(tmp_path, settings(classifier=None), CONFIGS[name])


# --- cross-fitting --------------------------------------------------------------------------


def test_validation_shares_of_the_fits_of_a_fold_are_disjoint_and_unlike_the_folds(tmp_path):
    split = SplitConfig("kfold", 5, 0.2, 0.5, "one_fold")
    config = dataclasses.replace(CONFIGS["r_anode"], fits=5)
    one = build_method(tmp_path, settings(split=split), config)
    table = sample(20_000, 0, 1)
    shares = np.array([one._is_validation(table, number) for number in range(5)])
    assert (shares.sum(axis=0) == 1).all()
    # Whatever the seed of another run, its folds are not these shares.
    for seed in range(4):
        fold = CrossFit(split, seed)._fold(table)
        counts = np.array([np.bincount(fold[share], minlength=5) for share in shares])
        assert counts == pytest.approx(np.full((5, 5), 800), abs=6 * np.sqrt(800))


def test_the_average_over_folds_is_that_of_densities():
    rows = [np.array([0, 2]), np.array([1, 2])]
    found = combine(3, rows, [np.log([1.0, 3.0]), np.log([2.0, 5.0])])
    assert np.exp(found) == pytest.approx([1, 2, 4])


def test_shares_of_a_holdout_do_not_hang_on_other_events():
    table = sample(2000, 0, 1)
    cross_fit = CrossFit(HOLDOUT, 1)
    some = np.arange(0, 2000, 3)
    assert np.array_equal(cross_fit.unseen(table)[some], cross_fit.unseen(table[some]))
    (seen,) = cross_fit.fitted(table)
    assert not np.isin(seen.event_id, table.event_id[cross_fit.unseen(table)]).any()
    assert 0.15 < cross_fit.is_validation(seen).mean() < 0.25


def test_cross_fitted_counts_are_unbiased_but_spread_more_than_poisson():
    """A score that has learned nothing but fluctuations: the surplus of its training events in a
    bin of the feature. Folds learn each other's, so that their counts rise and fall together."""
    n_bins, per_bin, efficiency, n_samples = 1000, 20, 0.1, 200
    split = SplitConfig("kfold", 5, 0.2, 0.5, "one_fold")
    expected = efficiency * n_bins * per_bin
    rng = np.random.default_rng(3)
    z = np.empty(n_samples)
    for number in range(n_samples):
        n_events = rng.poisson(n_bins * per_bin)
        place = rng.integers(n_bins, size=n_events)
        mass = 3000.0 + np.arange(n_events)  # no two events are one
        table = EventTable(np.arange(n_events), mass, place[:, None].astype(float), ("x",), ("",))
        cross_fit, n_passed = CrossFit(split, number), 0
        scored = cross_fit.scored(table, np.ones(n_events, dtype=bool))
        for seen, rows in zip(cross_fit.fitted(table), scored, strict=True):
            surplus = np.bincount(seen.features[:, 0].astype(int), minlength=n_bins)
            order = np.argsort(surplus + rng.random(n_bins))  # ties at random
            chosen = np.isin(place[rows], order[-int(efficiency * n_bins) :])
            n_passed += chosen.sum()
        z[number] = (n_passed - expected) / np.sqrt(expected)
    assert abs(z.mean()) < 4 * z.std() / np.sqrt(n_samples)
    assert z.std() == pytest.approx(1.37, abs=4 * 1.37 / np.sqrt(2 * n_samples))
