"""Pseudo-events follow the truth they are drawn from, are all different, and are made once."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from anode.configuration.builder import resolve
from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.events.simulation.toy import Toy
from anode.pipeline.calibration.pseudo_events import (
    PseudoExperiments,
    Shift,
    Truth,
    load_truth,
    make_truth,
)
from anode.pipeline.search.config import search_from_mapping
from anode.seeding import stream

N_BACKGROUND, N_SIGNAL = 20_000, 500


def configuration(*overrides):
    settings = [
        "data=toy",
        f"data.n_background={N_BACKGROUND}",
        f"data.n_signal={N_SIGNAL}",
        "injection.n_signal=100",
        "preprocessing.logit=false",
        "spectrum.low=3000",
        "density.hidden_features=32",
        "trainer.epochs=4",
        "ensemble.size=2",
        "store=null",
        "run_dir=unused",
    ]
    return search_from_mapping(resolve(compose("search", [*settings, *overrides])))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pseudo-experiments of the toy, and the folder of its truths."""
    folder = tmp_path_factory.mktemp("truths")
    config = configuration()
    return load_truth(make_truth(config, folder), config.run.ensemble), folder


def spectrum(low, high, parameters):
    return Truth(
        low=low,
        high=high,
        parameters=parameters,
        p_value=None,
        n_events=1000,
        names=("x",),
        units=("",),
        source="made",
    )


def test_masses_follow_the_function():
    # ln f = theta_2 ln(m / 13 TeV): a power law, whose distribution is known.
    truth = spectrum(3000.0, 9000.0, (0.0, 0.0, -6.0, 0.0, 0.0))
    mass = truth.masses(20_000, stream(1, "masses"))

    def below(m):
        return (m**-5 - 3000.0**-5) / (9000.0**-5 - 3000.0**-5)

    assert mass.min() >= 3000
    assert mass.max() < 9000
    assert stats.kstest(mass, below).pvalue > 0.01


def test_the_spectrum_of_the_truth_is_that_of_the_background(made):
    truth, toy = made[0].truth, Toy()
    assert truth.n_events == N_BACKGROUND  # no signal, though it is labelled and in the file
    mass = truth.masses(20_000, stream(2, "masses"))

    def below(m):
        return np.expm1(-(m - toy.low) / toy.decay) / np.expm1(-(toy.high - toy.low) / toy.decay)

    # The truth is fitted to as many events as are drawn.
    assert stats.kstest(mass, below).statistic < 0.02


def test_features_are_those_of_background_at_their_mass(made):
    events = made[0].pseudo_events(20_000, 3)
    difference = events.features - Toy().mean(events.mass)
    assert np.abs(difference.mean(axis=0)).max() < 0.1
    assert np.abs(difference.std(axis=0) - 1).max() < 0.1
    assert np.corrcoef(difference.T)[0, 1] == pytest.approx(Toy().correlation, abs=0.1)


def test_a_seed_gives_the_same_events_and_another_one_others(made):
    first, again, other = (made[0].pseudo_events(1000, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.features, again.features)
    assert not np.isin(first.mass, other.mass).any()
    assert not first.label.any()


def test_signal_is_drawn_from_the_file_without_replacement(made):
    signal = made[0].injected(N_SIGNAL, 1, id_offset=10)
    assert np.array_equal(signal.event_id, 10 + np.arange(N_SIGNAL))
    assert len(np.unique(signal.mass)) == N_SIGNAL
    assert np.array_equal(np.sort(signal.mass), np.sort(made[0].signal.mass))
    with pytest.raises(DataError, match="501 signal events are to be injected, but 500"):
        made[0].injected(N_SIGNAL + 1, 1)


def test_shifted_signal_keeps_its_features(made):
    plain = made[0].injected(50, 1)
    shifted = made[0].injected(50, 1, shift=Shift(3500, 4500))
    assert shifted.mass == pytest.approx(plain.mass * 4500 / 3500)
    assert np.array_equal(shifted.features, plain.features)


def test_an_experiment_is_background_and_signal(made):
    events = made[0].experiment(300, 40, 5)
    assert len(events) == 340
    assert events.label.sum() == 40
    assert np.array_equal(events.mass[:300], made[0].pseudo_events(300, 5).mass)


class Heavy:
    """Half of the first draws of x are jets that weigh more than their system."""

    def __init__(self):
        self.calls = 0

    def generate(self, mass, seed):
        self.calls += 1
        share = 0.5 * (stream(seed, "x").random(len(mass)) < 0.5) + 0.1
        return np.column_stack([share * mass, 0.05 * mass])


def test_impossible_events_are_drawn_again():
    truth = dataclasses.replace(
        spectrum(3000.0, 9000.0, (0.0, 0.0, -6.0, 0.0, 0.0)),
        names=("mj1", "delta_mj"),
        units=("GeV", "GeV"),
    )
    density = Heavy()
    events = PseudoExperiments(truth, density, None).pseudo_events(1000, 1)
    assert density.calls > 5
    assert events.column("mj1") == pytest.approx(0.1 * events.mass)
    hopeless = Heavy()
    hopeless.generate = lambda mass, seed: np.column_stack([mass, mass])
    with pytest.raises(DataError, match="1000 of 1000 do not after 20 draws"):
        PseudoExperiments(truth, hopeless, None).pseudo_events(1000, 1)


def test_a_truth_is_made_once_for_equal_content(made):
    folder = made[1]
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    make_truth(configuration("seed=1", "scan.start=3000", "efficiencies=[0.2]"), folder)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == before
    for change in ("spectrum.bin_width=100", "trainer.epochs=3", "data.n_background=15000"):
        make_truth(configuration(change), folder)
    assert len([p for p in folder.iterdir() if (p / "truth.json").is_file()]) == 4


def test_a_truth_is_of_one_fit(tmp_path):
    with pytest.raises(ConfigError, match=r"ensemble\.seeds=1, got 2"):
        make_truth(configuration("ensemble.seeds=2"), tmp_path)
