"""The acceptance table is made row by row, kept, and says what fails."""

import dataclasses

import pytest

from anode import io
from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.pipeline.calibration.acceptance import acceptance, parse_acceptance
from anode.pipeline.calibration.campaign_rows import (
    blind,
    cost,
    dispersion,
    global_p,
    null_searches,
)
from anode.pipeline.calibration.injection_row import injection_row
from anode.pipeline.calibration.spurious_row import spurious_row
from anode.seeding import stream
from anode.statistics.calibration.acceptance import Acceptance, AcceptanceRow, Check
from anode.statistics.calibration.result import Calibration
from anode.statistics.calibration.uniformity import spread, uniformity
from anode.statistics.counting.overdispersion import Overdispersion
from helpers.synthetic_search import make_search

TOY = ["data=toy", "data.n_background=20000", "injection.n_signal=null", "spectrum.low=3000"]


@pytest.fixture
def settings(tmp_path):
    raw = compose("acceptance", [])
    raw.update({"output": str(tmp_path / "out"), "overrides": TOY, "n_jobs": 1})
    raw["A"].update({"sizes": [100_000], "windows": [3300, 3500], "n_toys": 500, "n_tail": 1000})
    raw["D"].update({"masses": [3600], "sizes": [20_000], "sigmas": [0, 3], "n_toys": 250})
    raw["F"].update({"masses": [3600], "scales": [500]})
    for row, keys in {
        "C": ["overdispersion", "calibration"],
        "E": ["calibration"],
        "E_searches": ["calibration"],
        "G": ["background", "signal"],
    }.items():
        raw[row].update({key: str(tmp_path / row / f"{key}.json") for key in keys})
    raw["D_searches"].update({"calibrations": [str(tmp_path / "D" / "calibration.json")]})
    raw["B"].update({"calibration": str(tmp_path / "no_signal" / "calibration.json")})
    raw["H"].update({"n_templates": 2000})
    return parse_acceptance(raw)


def calibration(p_local, z_local, **changes):
    p, z = uniformity(p_local), spread(z_local)
    return Calibration(
        overrides=(),
        n_experiments=len(p_local),
        injections=(0,),
        p_global=p,
        p_local={"0.1": p},
        z_global=z,
        z_local={"0.1": z},
        cpu_seconds=20.0,
        **changes,
    )


UNIFORM = [(i + 0.5) / 200 for i in range(200)]


def test_a_row_is_made_and_kept(settings, tmp_path, capsys):
    acceptance(dataclasses.replace(settings, only=["A"]))
    path = tmp_path / "out" / "acceptance.json"
    first = Acceptance.from_json(io.read_json(path), path)
    assert list(first.rows) == ["A"]
    checks = first.rows["A"].checks  # of one cut, then of categories together
    for mean, smallest, largest, tail in (checks[:4], checks[4:]):
        assert abs(mean.value) < 5 * mean.error + 0.1
        assert smallest.value <= largest.value
        assert abs(smallest.value - 1) < 0.2
        assert abs(largest.value - 1) < 0.2
        assert tail.n == 1000
    acceptance(settings)
    table = Acceptance.from_json(io.read_json(path), path)
    assert list(table.rows) == ["A", "D", "F", "H"]  # others have no searches to be judged from
    assert table.rows["A"] == first.rows["A"]
    text = (tmp_path / "out" / "acceptance.md").read_text()
    assert text in capsys.readouterr().out
    assert "`anode acceptance 'only=[H]'`" in text


def test_a_campaign_that_is_not_made_is_said_if_it_is_asked_for(settings):
    with pytest.raises(DataError, match=r"no_signal/calibration\.json"):
        acceptance(dataclasses.replace(settings, only=["B"]))


def test_a_campaign_is_judged_with_its_own_cost(settings, tmp_path):
    found = calibration(UNIFORM, [-1.0, 0.0, 1.0])
    io.write_json(tmp_path / "no_signal" / "calibration.json", found.to_json())
    acceptance(dataclasses.replace(settings, only=["B"]))
    path = tmp_path / "out" / "acceptance.json"
    row = Acceptance.from_json(io.read_json(path), path).rows["B"]
    assert row.passed
    assert row.cpu_seconds == cost([found]) == 200 * 20
    assert row.command == "anode calibrate calibration=no_signal"


def test_searches_that_are_not_calibrated_fail():
    small = [p**2 for p in UNIFORM]
    failed = [c.what for c in null_searches(calibration(small, [-1.0, 0, 1])) if not c.passed]
    assert failed == [
        "KS p of p-values, global",
        "share below 0.05, global",
        "KS p of p-values, local, efficiency 1e-1",
        "share below 0.05, local, efficiency 1e-1",
    ]
    wide = [c for c in null_searches(calibration(UNIFORM, [-1.2, 0, 1.2])) if not c.passed]
    assert [c.what for c in wide] == ["sd of Z, local, efficiency 1e-1"]


def test_injected_toys_are_judged_by_the_truth(settings):
    checks = injection_row(settings)
    assert [c.n for c in checks] == [500] * 4
    bias, low, high, limits = checks
    assert abs(bias.value) < 2
    assert low.value == pytest.approx(0.68, abs=0.12)
    assert high.value == pytest.approx(0.68, abs=0.12)
    assert limits.value > 0.9


def test_a_pass_rate_that_changes_makes_signal_and_another_function_hardly_any(settings):
    *functions, changing = spurious_row(settings)
    assert all(c.passed for c in functions)
    assert "tanh over 500 GeV" in changing.what


def test_global_p_values_and_blind_searches_are_judged(settings, tmp_path):
    few = [0.001] * 40 + UNIFORM[40:]
    failed = [c.what for c in global_p(calibration(few, [-1.0, 0, 1])) if not c.passed]
    assert failed == ["share of global p-values below 0.05", "KS p of global p-values"]
    assert all(c.passed for c in global_p(calibration(UNIFORM, [-1.0, 0, 1])))
    content = make_search()[0]
    for name, z in (("background", 1.0), ("signal", 2.9)):
        best = {**content["best"], "z_global": z}
        io.write_json(tmp_path / "G" / f"{name}.json", {**content, "best": best})
    without, with_signal = blind(settings)
    assert without.passed
    assert not with_signal.passed  # 2.9 sigma are not found


def test_an_over_dispersion_must_be_measured_well_enough(settings, tmp_path):
    counts = stream(1, "counts").poisson((150, 20), size=(400, 2))
    measured = Overdispersion.of(
        counts,
        method="anode",
        efficiencies=(0.1, 0.01),
        n_events=2000,
        n_template=20_000,
        window=(3300.0, 3700.0),
        key="",
    )
    io.write_json(tmp_path / "C" / "overdispersion.json", measured.to_json())
    found = calibration(UNIFORM, [-1.2, 0.0, 1.2])
    io.write_json(tmp_path / "C" / "calibration.json", found.to_json())
    *errors, spread_of_z = dispersion(settings)
    assert [c.value for c in errors] == pytest.approx([0.035, 0.035], abs=0.01)
    assert not spread_of_z.passed


def check(value, low=None, high=None):
    return Check("number", value, None, low, high, 1)


def test_a_bound_is_itself_allowed():
    assert check(1.0, 1.0, 2.0).passed
    assert check(2.0, 1.0, 2.0).passed
    assert check(5.0, 1.0).passed
    assert not check(0.9, 1.0).passed
    assert not check(2.1, None, 2.0).passed
    assert not check(float("nan"), 1.0, 2.0).passed


def test_one_check_that_fails_fails_its_row():
    row = AcceptanceRow("A", "title", "command", (check(1.0, 0.0), check(1.0, 2.0)), None)
    assert not row.passed
    other = dataclasses.replace(row, name="B")
    table = Acceptance({}).having(other).having(row)
    assert list(table.rows) == ["A", "B"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["only=[Q]"], r"only must name some of A, B, .*, got \['Q'\]"),
        (["A.sizes=[]"], "row A needs sizes"),
        (["A.n_toys=1"], r"A\.n_toys must be at least 2"),
        (["H.n_templates=0"], r"H\.n_templates must be at least 2"),
    ],
)
def test_an_impossible_table_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        parse_acceptance(compose("acceptance", overrides))
