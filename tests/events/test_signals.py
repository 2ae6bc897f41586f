# ruff: noqa: E402  (imports that need the extra stand behind importorskip)
"""Signals of the zoo: settings of each, and the decay chain in Pythia's own record."""

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from omegaconf import OmegaConf

from anode.configuration.builder import build
from anode.errors import ConfigError
from anode.events.simulation.signals.base import MAX_NUMBER, Signal
from anode.events.simulation.signals.families import FAMILIES, family_of
from anode.events.simulation.signals.resonances import WPrime
from helpers.settings import REPOSITORY

SIGNALS = sorted(path.stem for path in (REPOSITORY / "configs/signal").glob("*.yaml"))

BUNDLED_SETTINGS = (
    "Print:quiet = on", "Beams:eCM = 13000", "PartonLevel:MPI = off",
    "ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 10",
    "NewGaugeBoson:ffbar2Wprime = on", "Wprime:coup2WZ = 1",
    "34:m0 = 3500", "34:doForceWidth = on", "34:mWidth = 55", "34:mMin = 2800", "34:mMax = 4200",
    "34:onMode = off", "34:onIfAll = 23 24",
    "24:m0 = 100", "24:mMin = 50", "24:mMax = 150", "24:onMode = off", "24:onIfAny = 1 2 3 4",
    "WeakZ0:gmZmode = 2",
    "23:m0 = 500", "23:mMin = 250", "23:mMax = 750", "23:onMode = off", "23:onIfAny = 1 2 3 4 5",
)  # fmt: skip


def signal(name: str, **changed: object) -> Signal:
    path = REPOSITORY / f"configs/signal/{name}.yaml"
    content = {**OmegaConf.to_container(OmegaConf.load(path)), **changed}
    return build(family_of(content, "signal"), content, "signal")


# settings


def test_the_bundled_signal_has_the_settings_it_was_made_with():
    process = signal("bundled").process()
    assert (process.name, process.label) == ("signal", 1)
    assert process.settings == BUNDLED_SETTINGS
    again = signal("wprime_500_100").process()
    assert (again.name, again.settings) == ("wprime_500_100", BUNDLED_SETTINGS)


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_is_a_resonance_through_the_bundled_collisions(name):
    given = signal(name)
    settings = given.process().settings
    assert settings[:5] == BUNDLED_SETTINGS[:5]
    assert len(set(settings)) == len(settings)
    keys = [line.partition(" = ")[0] for line in settings if "onIf" not in line]
    repeated = {key for key, n in Counter(keys).items() if n > 1}
    assert all(key.endswith(":addChannel") for key in repeated)
    mass, width = given.resonance_mass, given.resonance_width
    heads = {line.partition(":")[0] for line in settings if line.endswith(f":m0 = {mass:g}")}
    assert heads, "no particle has the mass of the resonance"
    for head in heads:
        assert f"{head}:mWidth = {width:g}" in settings
        assert f"{head}:onMode = off" in settings
    assert width / mass == pytest.approx(55 / 3500, rel=2e-3)
    assert given.name == (name if name != "bundled" else "signal")


def test_no_two_signals_share_a_number():
    numbers = [signal(name).number for name in SIGNALS]
    assert sorted(numbers) == list(range(len(SIGNALS)))
    assert signal("bundled").number == 0


def test_every_family_has_a_signal():
    assert {signal(name).family for name in SIGNALS} == set(FAMILIES)


def test_equal_masses_are_possible():
    equal = WPrime(resonance_mass=3500.0, resonance_width=55.0, heavy_mass=300.0, light_mass=300.0)
    assert {"23:m0 = 300", "24:m0 = 300"} <= set(equal.settings())
    assert equal.masses == (300.0, 300.0)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("bundled", {"light_mass": 600.0}, r"0 < light <= heavy, got light 600, heavy 500"),
        ("bundled", {"heavy_mass": 3450.0}, r"light \+ heavy < resonance < 13000 GeV, got 100"),
        ("bundled", {"resonance_mass": 13500.0}, "resonance < 13000 GeV"),
        ("bundled", {"resonance_width": 0.0}, "resonance_width must be positive, got 0 GeV"),
        ("bundled", {"light_mass": 0.0}, "0 < light <= heavy"),
        ("ttbar", {"resonance_mass": 300.0}, "got 173, 173 and 300"),
        ("qstar", {"boson_mass": -1.0}, r"0 < light \+ heavy"),
        ("hh", {"through": "tt"}, "through must be bb or vv, got 'tt'"),
        ("hh", {"through": "vv"}, "scalar_mass must be at least 182.38 GeV"),
        ("semivisible", {"rinv": 1.2}, r"rinv must lie in \[0, 1\]"),
        ("zh", {"number": 50}, f"number must lie between 0 and {MAX_NUMBER}, got 50"),
        ("zh", {"family": "higgsz"}, "family must be one of .* got higgsz; did you mean higgs_z"),
        ("zh", {"heavy_mass": 3.0}, r"unknown key signal\.heavy_mass"),
    ],
)
def test_impossible_signals_are_refused_in_one_line(name, changed, message):
    with pytest.raises(ConfigError, match=message) as refused:
        signal(name, **changed)
    assert "\n" not in str(refused.value)


# decay chains

pytest.importorskip("pythia8mc")
ak = pytest.importorskip("awkward")

from anode.events.simulation.hidden_valley import (
    DARK_HADRONS,
    STABLE_OF_PSEUDOSCALAR,
    STABLE_OF_VECTOR,
    event_source,
)
from anode.events.simulation.pythia import INVISIBLE, ParticleSource, _initialised

QUARKS = {1, 2, 3, 4, 5}


class Parton(NamedTuple):
    """A line of the hard process."""

    identity: int
    mass: float
    mother: int
    is_final: bool


def hard_process(name: str, seed: int = 7):
    """A running Pythia without showers and hadrons: the hard process and its decays alone."""
    process = signal(name).process()
    settings = (*process.settings, "PartonLevel:all = off", "HadronLevel:all = off")
    return _initialised(replace(process, settings=settings), seed)


@cache
def hard_events(name: str, n: int = 50) -> list[list[Parton]]:
    """The resonance and all that comes from it in n events; mothers are rows of the same list."""
    pythia, events = hard_process(name), []
    while len(events) < n:
        if not pythia.next():
            continue
        record = pythia.process
        rows = [record[i] for i in range(5, record.size())]
        events.append(
            [Parton(abs(row.id()), row.m(), row.mother1() - 5, row.status() > 0) for row in rows]
        )
    return events


def children(event: list[Parton], row: int) -> list[int]:
    return [i for i, parton in enumerate(event) if i and parton.mother == row]


def final_partons(event: list[Parton], row: int) -> list[int]:
    """Identities of the partons that a row ends in."""
    below = children(event, row)
    if not below:
        return [event[row].identity]
    return sorted(identity for child in below for identity in final_partons(event, child))


def chain(name: str) -> tuple[np.ndarray, list[dict[int, tuple[float, list[int]]]]]:
    """Masses of the resonance, and of each event its two decay products: identity -> mass, partons
    that they end in. Two of one kind count as one of twice the identity."""
    events = hard_events(name)
    products = []
    for event in events:
        first, second = children(event, 0)
        pair = {}
        for row in (first, second):
            identity = event[row].identity
            pair[identity if identity not in pair else 2 * identity] = (
                event[row].mass,
                final_partons(event, row),
            )
        products.append(pair)
    return np.array([event[0].mass for event in events]), products


CHAINS = {
    # name: resonance, {product: (mass, tolerance of the median, number of partons)}
    "wprime_300_300": {24: (300.0, 6.0, 2), 23: (300.0, 6.0, 2)},
    "wprime_600_80": {24: (80.0, 2.0, 2), 23: (600.0, 8.0, 2)},
    "wprime_2500": {24: (100.0, 2.0, 2), 23: (500.0, 8.0, 2)},
    "wz": {24: (80.4, 1.5, 2), 23: (91.2, 1.5, 2)},
    "zh": {23: (91.2, 1.5, 2), 25: (125.0, 0.1, 2)},
    "hh": {25: (125.0, 0.1, 2), 50: (125.0, 0.1, 2)},
    "ttbar": {6: (173.0, 1.5, 3), 12: (173.0, 1.5, 3)},
    "three_prong": {23: (100.0, 2.0, 3), 25: (500.0, 8.0, 3)},
    "four_prong": {25: (400.0, 15.0, 4), 50: (400.0, 15.0, 4)},
}


@pytest.mark.parametrize("name", CHAINS)
def test_each_jet_comes_from_what_the_signal_says(name):
    given, (resonance, products) = signal(name), chain(name)
    assert np.all(np.abs(resonance / given.resonance_mass - 1) <= 0.2)
    # Parton densities pull it down: by less than half a width in the median.
    shift = np.median(resonance) - given.resonance_mass
    assert -given.resonance_width < shift < 0.5 * given.resonance_width
    for identity, (mass, tolerance, n_partons) in CHAINS[name].items():
        masses, ends = zip(*(pair[identity] for pair in products), strict=True)
        assert np.median(masses) == pytest.approx(mass, abs=tolerance), identity
        assert {len(end) for end in ends} == {n_partons}
        assert set().union(*ends) <= (QUARKS | {21} if name == "three_prong" else QUARKS)
    lightest, heaviest = sorted(mass for mass, _, _ in CHAINS[name].values())
    assert given.masses == pytest.approx((lightest, heaviest), abs=0.5)
    assert given.prongs == tuple(n for _, _, n in CHAINS[name].values())


def test_heavy_flavours_are_where_they_should_be():
    for name, identity in (("zh", 25), ("hh", 25), ("hh", 50)):
        assert all(pair[identity][1] == [5, 5] for pair in chain(name)[1]), name
    for pair in chain("three_prong")[1]:
        for _, partons in pair.values():
            assert partons.count(21) == 1
            assert partons[0] == partons[1]  # a quark and its antiquark
    assert all(pair[6][1].count(5) >= 1 for pair in chain("ttbar")[1])


def test_four_prongs_come_through_pairs_of_bosons():
    for event in hard_events("four_prong"):
        for scalar in children(event, 0):
            pair = [event[row].identity for row in children(event, scalar)]
            assert pair in ([24, 24], [23, 23])


def test_an_excited_quark_decays_to_a_quark_and_a_boson():
    resonance, products = chain("qstar")
    assert np.median(resonance) == pytest.approx(3500, abs=30)
    assert np.median([pair[23][0] for pair in products]) == pytest.approx(300, abs=6)
    for pair in products:
        assert set(pair) - {23} <= {1, 2}
        assert len(pair[23][1]) == 2


@pytest.mark.parametrize(("name", "expected"), [("wz", 1 / 5), ("hh", 1 / 3), ("ttbar", 2 / 5)])
def test_the_production_angle_is_that_of_the_spins(name, expected):
    """<cos^2> along the beam: 1/5 of sin^2 (longitudinal bosons of a vector), 1/3 of a scalar, 2/5
    of 1 + cos^2 (fermions of a vector)."""
    pythia, squares = hard_process(name, seed=4), []
    while len(squares) < 800:
        if not pythia.next():
            continue
        record = pythia.process
        beam, first, second = (record[i].p() for i in (3, 6, 7))
        total = record[5].p()
        # In the rest frame, beam . (second - first) = E (E2 - E1 + 2 p cos) with E = sqrt(s) / 2.
        root_s = np.sqrt(total.m2Calc())
        first_energy, second_energy = first * total / root_s, second * total / root_s
        p = np.sqrt(first_energy**2 - first.m2Calc())
        cosine = (beam * second - beam * first) / root_s + (first_energy - second_energy) / 2
        squares.append((cosine / p) ** 2)
    assert np.mean(squares) == pytest.approx(expected, abs=5 * np.std(squares) / np.sqrt(800))


def test_three_bodies_fill_phase_space_evenly():
    """The gluon's share of the three energies in the rest frame of X is 1/3 on average."""
    pythia = hard_process("three_prong", seed=3)
    shares = []
    while len(shares) < 500:
        if not pythia.next():
            continue
        record = pythia.process
        mother = next(i for i in range(5, record.size()) if record[i].id() == 25)
        rows = [i for i in range(6, record.size()) if record[i].mother1() == mother]
        energies = {record[i].id(): record[i].p() * record[mother].p() for i in rows}
        shares.append(energies[21] / sum(energies.values()))
    # uniform in the Dalitz plane: the share of massless bodies has mean 1/3, variance 1/72
    assert np.mean(shares) == pytest.approx(1 / 3, abs=4 * np.sqrt(1 / 72 / 500))
    assert np.var(shares) == pytest.approx(1 / 72, rel=0.25)


def test_dark_showers_are_partly_invisible_and_even():
    source = event_source(signal("semivisible").process(), seed=5)
    events = source.dark_events(60)
    counts = np.add.reduceat(events.hadron_invisible.astype(int), events.hadron_offsets[:-1])
    assert np.all(counts % 2 == 0)
    n = len(events.hadron_invisible)
    assert events.hadron_invisible.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / n))
    invisible = events.particles.kind == INVISIBLE
    lost = events.particles.energy[invisible].sum() / events.particles.energy.sum()
    assert 0.02 < lost < 0.3  # of all, remnants of the protons included
    batch = event_source(signal("semivisible").process(), seed=5).batch(60)
    np.testing.assert_array_equal(batch.px, events.particles.px)
    kinds = source._classify(np.array([STABLE_OF_PSEUDOSCALAR, STABLE_OF_VECTOR, *DARK_HADRONS]))
    assert set(kinds[0].tolist()) == {INVISIBLE}


def test_other_signals_run_without_a_filter():
    assert type(event_source(signal("hh").process(), seed=1)) is ParticleSource
