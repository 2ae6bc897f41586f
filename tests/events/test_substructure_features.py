"""Features of the substructure of jets: names, sets, lighter jet first, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from anode.errors import ConfigError, DataError
from anode.events import dijet
from anode.events.feature_definitions import (
    FEATURE_SETS,
    FEATURES,
    check_features,
    columns_needed,
    resolved_features,
    units_of,
)
from anode.events.readers.dijet_files import BundledFile
from anode.events.readers.lhco_features import read_bundled
from anode.events.substructure_columns import CHOICES, GROUPS, choice_with, columns_of_groups
from anode.pipeline.scoring.input_columns import InputColumns
from helpers.feature_columns import raw_columns, write_root

ALL = tuple(GROUPS)


def wide_columns(n: int = 60) -> dict[str, np.ndarray]:
    """The published columns and those of the substructure, drawn at random."""
    rng = np.random.default_rng(5)
    columns = raw_columns(n)
    for name in columns_of_groups(ALL):
        columns[name] = rng.uniform(0.01, 1, n).astype(np.float32)
    for jet in (1, 2):
        columns[f"n_constituentsj{jet}"] = rng.integers(1, 90, n).astype(np.int32)
    return columns


def test_sets_have_their_numbers_and_known_names():
    sizes = {name: len(members) for name, members in FEATURE_SETS.items()}
    assert sizes == {"four": 4, "eight": 8, "subjettiness": 56, "efp": 108, "kitchen_sink": 224}
    for members in FEATURE_SETS.values():
        check_features(members)
    assert FEATURE_SETS["kitchen_sink"][:4] == ("mj1", "delta_mj", "tau21_b1_1", "tau21_b1_2")
    others = set().union(*FEATURE_SETS.values()) - set(FEATURE_SETS["kitchen_sink"])
    assert others == {"tau21_1", "tau21_2", "tau32_1", "tau32_2"}  # of the beta of the file
    for name in ("subjettiness", "efp", "kitchen_sink"):
        quantities = {column[:-2] for column in columns_needed(FEATURE_SETS[name])}
        assert choice_with(quantities) == name
        assert name in CHOICES


def test_every_jet_has_every_quantity_once():
    first = [name.removesuffix("_1") for name in FEATURES if name.endswith("_1")]
    second = [name.removesuffix("_2") for name in FEATURES if name.endswith("_2")]
    assert first == second
    wide = [name for name, each in FEATURES.items() if each.more]
    assert len(wide) == 2 * (1 + 27 + 24 + 6 + 53)
    assert units_of(["m_softdrop_1", "tau9_b05_2", "efp_6_5_5_1"]) == ("GeV", "", "")


def test_sets_resolve_anywhere_in_a_list_and_once():
    assert resolved_features("four") == ["mj1", "delta_mj", "tau21_1", "tau21_2"]
    assert resolved_features(["mj1", "pt_1"]) == ["mj1", "pt_1"]
    mixed = resolved_features(["pt_1", "four", "mj1", "eight"])
    assert mixed == ["pt_1", *FEATURE_SETS["eight"]]
    assert resolved_features(["four", "x"], own=["four", "x"]) == ["four", "x"]
    for given in (["four", "four"], ["four", "pt_1", "pt_1"]):
        with pytest.raises(ConfigError, match="features must name each feature and set once"):
            resolved_features(given)
    with pytest.raises(ConfigError, match=r"one of the sets four, .*got 'efps'; did you mean efp"):
        resolved_features("efps")
    assert resolved_features(["mj1", "mj1"]) == ["mj1", "mj1"]  # which later checks refuse


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'tau5_b5_1'; known are mj1.*more; did you mean tau5_"):
        check_features(["tau5_b5_1"])


def test_jet_1_is_the_lighter_jet_in_every_feature_of_substructure():
    columns = wide_columns()
    wide = [name for name, each in FEATURES.items() if each.more]
    _, features, report = dijet.derive(columns, wide)
    assert report.n_events == 60
    light_is_j1 = columns["mj1"] <= columns["mj2"]
    assert 0 < light_is_j1.sum() < 60
    for name, values in zip(wide, features.T, strict=True):
        quantity, index = name[:-2], int(name[-1])
        j1, j2 = (
            [columns[f"{q}j{jet}"].astype(float) for q in FEATURES[name].more] for jet in (1, 2)
        )
        of_j1, of_j2 = (j[0] / j[1] if len(j) == 2 else j[0] for j in (j1, j2))
        expected = np.where(light_is_j1 == (index == 1), of_j1, of_j2)
        assert_allclose(values, expected, err_msg=quantity)
    assert FEATURES["tau98_b05_2"].more == ("tau9_b05", "tau8_b05")


def test_ratios_over_zero_are_zero_and_rounding_is_removed():
    columns = wide_columns(4)
    for jet in (1, 2):
        columns[f"tau5_b2j{jet}"] = np.float32([0.0, 1e-10, -1e-10, 0.5])
        columns[f"tau6_b2j{jet}"] = np.float32([0.0, 1e-11, -1e-10, 0.25])
    names = ["tau65_b2_1", "tau6_b2_1", "tau76_b2_1"]
    _, features, report = dijet.derive(columns, names)
    assert features[:, 0].tolist() == [0, 0, 0, 0.5]
    assert features[2, 1] == 0
    assert not features[:3, 2].any()
    assert (report.n_tau_clipped, report.n_tau_zero) == (4, 12)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("efp_3_2_0j2", np.nan, "column 'efp_3_2_0j2' must be finite, but row 7 has nan"),
        ("tau9_b2j1", -0.1, "column 'tau9_b2j1' must not be negative.*row 7 has -0.1"),
        ("m_softdropj1", np.inf, "column 'm_softdropj1' must be finite, but row 7 has inf"),
        ("c2j2", -1.0, "column 'c2j2' must not be negative by more than rounding"),
    ],
)
def test_bad_values_are_refused_by_row_and_column(tmp_path: Path, column, value, message):
    columns = wide_columns()
    columns[column][7] = value
    source = BundledFile(write_root(tmp_path / "wide.h5", columns))
    with pytest.raises(DataError, match=message):
        source.read(FEATURE_SETS["kitchen_sink"])
    assert len(source.read(FEATURE_SETS["four"])) == 60  # which does not look at it
    broken = next(iter(source.fault_scan(["mj1"]))).violations
    assert [fault.column for fault in broken] == [column]


def test_features_are_read_from_a_file(tmp_path: Path):
    columns = wide_columns()
    path = write_root(tmp_path / "wide.h5", columns)
    names = FEATURE_SETS["kitchen_sink"]
    events = read_bundled(path, names, block_rows=7)
    assert_allclose(events.features, dijet.derive(columns, names).features)
    assert BundledFile(path).unread == []
    columns_of_run = InputColumns(tuple(names))
    assert len(columns_of_run.names) == 14 + 2 * (1 + 27 + 6 + 53)
    rows = np.stack([columns[name] for name in columns_of_run.names], axis=1)
    assert_allclose(columns_of_run.of_array(rows).features, events.features)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["mj1", "efp_2_1_0_1"], r"missing column 'efp_2_1_0j1' and 1 more, made of particles; .*"
         r"anode features data=lhco_raw data.path=RAW_FILE data.substructure=efp output=FILE"),
        (FEATURE_SETS["subjettiness"], "'tau1_b05j1' and 53 more, .*substructure=subjettiness "),
        (["c2_1", "tau1_b1_1"], "'tau1_b1j1' and 3 more, .*data.substructure=kitchen_sink output"),
        (["n_constituents_2"], "'n_constituentsj1' and 1 more, .*data.path=RAW_FILE output=FILE"),
    ],
)  # fmt: skip
def test_files_without_them_say_what_makes_them(tmp_path: Path, features, message):
    source = BundledFile(write_root(tmp_path / "narrow.h5", raw_columns()))
    for refused in (source.check, source.read, lambda names: next(source.fault_scan(names))):
        with pytest.raises(DataError, match=message):
            refused(features)
