"""Columns of substructure in files of features: to order, resumed, the same in any blocks."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from helpers.raw_files import raw_rows, write_frame
from helpers.settings import REPOSITORY

pytest.importorskip("fastjet")

from anode import io
from anode.configuration.builder import resolve
from anode.errors import ConfigError, DataError
from anode.events.feature_definitions import FEATURE_SETS
from anode.events.readers.lhco_features import read_bundled
from anode.events.substructure_columns import GROUPS, columns_of_groups
from anode.jets import blocks
from anode.jets.features import COLUMNS
from anode.jets.settings import DEFAULT
from anode.pipeline.datasets import explore as exploration
from anode.pipeline.datasets import features as pipeline
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.datasets.explore import parse_explore
from anode.pipeline.datasets.feature_blocks import raw_source
from anode.pipeline.runs.config import compose_run, load_run
from anode.pipeline.search.config import search_from_mapping

N_EVENTS = 12
KITCHEN_SINK = "data.substructure=kitchen_sink"


def make(path: Path, output: Path, *overrides: str) -> dict:
    given = [f"data.path={path}", f"output={output}", "n_jobs=1", *overrides]
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        pipeline.features(pipeline.parse_features(compose("features", overrides=given)))
    return io.read_json(pipeline.manifest_path(output))


@pytest.fixture(scope="module")
def raw_file(tmp_path_factory) -> Path:
    return write_frame(tmp_path_factory.mktemp("raw") / "raw.h5", raw_rows(N_EVENTS))


@pytest.fixture(scope="module")
def wide(raw_file, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("wide") / "wide.h5"
    make(raw_file, output, KITCHEN_SINK)
    return output


@pytest.fixture(scope="module")
def narrow(raw_file, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("narrow") / "narrow.h5"
    make(raw_file, output)
    return output


def columns_of(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


def test_columns_stand_beside_the_others_which_stay_as_they_were(wide, narrow):
    more, without = columns_of(wide), columns_of(narrow)
    assert set(more) - set(without) == set(columns_of_groups(tuple(GROUPS)))
    assert set(without) == {"event_id", "label", *COLUMNS}
    for name, values in without.items():
        np.testing.assert_array_equal(more[name], values)
    for jet in (1, 2):
        for n in (1, 2, 3, 4):  # of the same beta by default
            np.testing.assert_allclose(more[f"tau{n}_b1j{jet}"], without[f"tau{n}j{jet}"], 1e-6)
    manifest = io.read_json(pipeline.manifest_path(wide))
    assert manifest["substructure"] == list(GROUPS)
    assert manifest["columns"] == [*COLUMNS, *columns_of_groups(tuple(GROUPS))]
    assert "substructure" not in io.read_json(pipeline.manifest_path(narrow))
    with h5py.File(wide) as file, h5py.File(narrow) as other:
        assert file.attrs["substructure"] == "subjettiness shapes efp"
        assert set(file.attrs) - set(other.attrs) == {"substructure"}


def test_without_substructure_nothing_is_made_anew(raw_file):
    """Caches of former versions are found by the same fingerprint."""
    source = raw_source(raw_file, DEFAULT)
    assert source.fingerprint() == source._replace(substructure=()).fingerprint()
    others = {source._replace(substructure=(group,)).fingerprint() for group in GROUPS}
    assert len(others | {source.fingerprint()}) == 4


@pytest.mark.parametrize("rows", [1, 5])
def test_bytes_do_not_depend_on_blocks(raw_file, wide, tmp_path, rows):
    make(raw_file, tmp_path / "wide.h5", KITCHEN_SINK, f"data.block_rows={rows}")
    assert (tmp_path / "wide.h5").read_bytes() == wide.read_bytes()


@pytest.mark.slow
def test_bytes_do_not_depend_on_workers(raw_file, wide, tmp_path):
    make(raw_file, tmp_path / "wide.h5", KITCHEN_SINK, "data.block_rows=5", "n_jobs=2")
    assert (tmp_path / "wide.h5").read_bytes() == wide.read_bytes()


def test_an_interrupted_command_goes_on_behind_what_it_has(raw_file, wide, tmp_path, monkeypatch):
    output, real, asked = tmp_path / "wide.h5", blocks.read_raw, []

    def failing(path, start, stop):
        if start == 8:
            raise DataError("power cut")
        return real(path, start, stop)

    monkeypatch.setattr(blocks, "read_raw", failing)
    with pytest.raises(DataError, match="power cut"):
        make(raw_file, output, KITCHEN_SINK, "data.block_rows=4")
    (block,) = Path(f"{output}.partial").glob("*/*4_*8.h5")
    with h5py.File(block, "a") as file:  # of a version with fewer columns
        values = file["substructure"][:, :5]
        del file["substructure"]
        file["substructure"] = values
    monkeypatch.setattr(
        blocks, "read_raw", lambda p, a, b: (asked.append((a, b)), real(p, a, b))[1]
    )
    make(raw_file, output, KITCHEN_SINK, "data.block_rows=4")
    assert asked == [(4, 8), (8, 12)]
    assert output.read_bytes() == wide.read_bytes()
    with pytest.raises(DataError, match=r"is not what this command makes.*substructure"):
        make(raw_file, output)


def test_a_run_reads_them_from_the_file_or_straight_from_particles(raw_file, wide, tmp_path):
    names = FEATURE_SETS["kitchen_sink"]
    expected = read_bundled(wide, names)
    assert np.isfinite(expected.features).all()
    settings = ["data=lhco_raw", f"data.path={raw_file}", f"data.cache={tmp_path}"]
    overrides = [*settings, "features=kitchen_sink"]
    config = compose_run([*overrides, KITCHEN_SINK], tmp_path / "run")
    source = open_data(config.data, seed=1, n_jobs=1)
    np.testing.assert_array_equal(source.read(config.features).features, expected.features)
    further = source.further(raw_file)
    np.testing.assert_array_equal(further.read(names).features, expected.features)
    without = compose_run(overrides, tmp_path / "run")
    assert without.identity == config.identity  # columns that no feature needs change nothing


def test_sets_are_resolved_by_every_command_and_kept_in_its_configuration(tmp_path):
    run = compose_run(["features=eight"], tmp_path)
    assert run.features == list(FEATURE_SETS["eight"])
    (tmp_path / "config.yaml").write_text(run.to_yaml())
    assert load_run(tmp_path / "config.yaml").features == run.features
    mixed = compose_run(["features=[pt_1,four]"], tmp_path)
    assert mixed.features == ["pt_1", *FEATURE_SETS["four"]]
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        raw = compose("search", overrides=[f"run_dir={tmp_path}", "features=subjettiness"])
        assert len(search_from_mapping(resolve(raw)).run.features) == 56
        for given, expected in (("efp", 108), ("null", None)):
            raw = compose("explore", overrides=[f"output={tmp_path}", f"features={given}"])
            features = parse_explore(raw).features
            assert (features and len(features)) == expected
    own = "data.columns={mass: m, features: {four: a, eight: b}}"
    table = compose_run(["data=table", "data.path=x.csv", own], tmp_path)
    assert table.features == ["four", "eight"]


def test_a_density_that_is_not_fitted_may_be_smaller_than_the_features_are_many(tmp_path):
    overrides = ["features=kitchen_sink", "density.hidden_features=128"]
    for method in ("cwola", "iad", "supervised", "isolation_forest"):
        assert len(compose_run([*overrides, f"method={method}"], tmp_path).features) == 224
    for method in ("anode", "cathode", "lacathode"):
        with pytest.raises(ConfigError, match=r"must be at least the number of features, 224"):
            compose_run([*overrides, f"method={method}", "density=made_mog"], tmp_path)


def test_figures_of_many_features_have_the_first_ones(
    raw_file, wide, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(exploration, "MAX_DRAWN", 2)
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        overrides = [f"output={tmp_path}", f"data.path={wide}", "features=four"]
        exploration.explore(parse_explore(compose("explore", overrides=overrides)))
    assert "figures have the first 2 of 4 features" in caplog.text
    assert "tau21_2" in (tmp_path / "card.md").read_text()


def test_what_cannot_be_is_refused(raw_file, tmp_path):
    with pytest.raises(ConfigError, match=r"data.substructure must be .*'efps'; did you mean"):
        make(raw_file, tmp_path / "x.h5", "data.substructure=efps")
    with pytest.raises(ConfigError, match=r"needs layout=anode, the only one .*got layout=lhco"):
        make(raw_file, tmp_path / "x.h5", "data.substructure=efp", "layout=lhco")
