"""Black boxes: no label reaches a fit or a score, and the key is read at the evaluation alone."""

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
from anode.errors import DataError, RunDirectoryError
from anode.events import feature_definitions
from anode.events.readers.black_box_key import read_key
from anode.events.readers.lhco_features import BUNDLED_PATH
from anode.pipeline.datasets.features import make_features
from anode.pipeline.datasets.workers import LOCAL
from anode.pipeline.runs import evaluate as judge
from anode.pipeline.runs import stages
from anode.pipeline.runs import unblind as blackbox
from anode.pipeline.runs.config import RunConfig, from_mapping
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.runs.score_file import read_scores

QUICK = [
    "data=blackbox",
    "injection.n_signal=null",
    "trainer.epochs=2",
    "trainer.batch_size=1024",
    "density.hidden_features=32",
    "split.folds=2",
    "evaluation.n_bootstrap=20",
    "evaluation.n_closure=500",
    "ensemble.size=2",
    "n_jobs=1",
    "store=null",
]


def config(run_dir: Path, path: Path, *overrides: str) -> RunConfig:
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        given = [*QUICK, f"data.path={path}", "run_dir=unused", *overrides]
        content = resolve(compose("run", overrides=given))
    return from_mapping({**content, "run_dir": str(run_dir)})


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> tuple[Path, Path]:
    """6000 bundled events as a feature file that has labels, and a key that differs from them."""
    folder = tmp_path_factory.mktemp("blackbox")
    with h5py.File(BUNDLED_PATH) as file:
        rows = np.r_[0:5000, len(file["label"]) - 1000 : len(file["label"])]
        columns = {
            name: file[name][:][rows] for name in (*feature_definitions.RAW_COLUMNS, "label")
        }
    with h5py.File(folder / "box.h5", "w") as file:
        file["df/block0_items"] = np.array([name.encode() for name in columns])
        file["df/block0_values"] = np.column_stack(list(columns.values()))
    key = columns["label"].copy()
    key[:10] = 1
    (folder / "box.masterkey").write_text("".join(f"{value:.1f}\n" for value in key))
    return folder / "box.h5", folder / "box.masterkey"


def test_the_key_comes_in_at_the_evaluation_alone(events, tmp_path, monkeypatch):
    path, key = events
    monkeypatch.setattr(judge, "save_figure", lambda figure, path: None)
    opened = []
    real = blackbox.read_key
    monkeypatch.setattr(blackbox, "read_key", lambda p: (opened.append(p), real(p))[1])
    blind = config(tmp_path / "run", path)
    assert prepare(blind).data.label is None
    stages.run(blind)
    metrics = io.read_json(tmp_path / "run/metrics.json")
    assert metrics["auc"] is None
    assert metrics["n_injected_sr"] is None
    assert not opened
    scores = (tmp_path / "run/scores.h5").read_bytes()
    assert read_scores(tmp_path / "run/scores.h5").label is None

    keyed = config(tmp_path / "run", path, f"data.key={key}")
    prepared = prepare(keyed)
    assert prepared.data.label is None
    stages.train(keyed, prepared)
    stages.score(keyed, prepared)
    assert not opened
    stages.run(keyed)
    assert opened == [key]
    metrics = io.read_json(tmp_path / "run/metrics.json")
    assert metrics["auc"] is not None
    in_region = prepared.in_signal_region()
    assert metrics["n_injected_sr"] == read_key(key)[in_region].sum()
    manifest = io.read_json(tmp_path / "run/manifest.json")
    assert manifest["key"] == {
        "file": key.name,
        "sha256": io.sha256_file(key),
        "n_signal": int(read_key(key).sum()),
    }
    assert (tmp_path / "run/scores.h5").read_bytes() == scores
    stages.run(keyed)
    assert opened == [key]
    with pytest.raises(RunDirectoryError, match="another configuration"):
        stages.train(config(tmp_path / "run", path, "data.max_skipped=0.5"))


def test_a_key_of_another_length_is_refused(events, tmp_path):
    path, key = events
    short = tmp_path / "short.masterkey"
    short.write_text("".join(key.read_text().splitlines(keepends=True)[:-1]))
    prepared = prepare(config(tmp_path, path))
    scored = None
    with pytest.raises(DataError, match=r"one line for each of the 6000 events .* got 5999"):
        blackbox.unblind(config(tmp_path, path, f"data.key={short}").data, prepared, scored)
    with pytest.raises(DataError, match="there is no /nowhere"):
        prepare(config(tmp_path, path, "data.key=/nowhere"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\n1\n0.5\n", r"line 3 is '0\.5'"),
        ("0\n-1\n", "line 2 is '-1'"),
        ("0\n3314.2\n", r"line 2 is '3314\.2'"),
        ("0\n\n1\n", "line 2 is ''"),
        ("0\nsignal\n", "line 2 is 'signal'"),
        ("0\nnan\n", "line 2 is 'nan'"),
    ],
)
def test_a_key_numbers_kinds_of_signal(tmp_path, text, message):
    (tmp_path / "key").write_text(text)
    with pytest.raises(DataError, match=message):
        read_key(tmp_path / "key")


def test_keys_are_read_in_every_spelling(tmp_path):
    (tmp_path / "key").write_text("0\n1.0\n0.0\r\n1e0\n\n")
    assert read_key(tmp_path / "key").tolist() == [0, 1, 0, 1]
    (tmp_path / "two_decays").write_text("0\n1\n2\n")
    assert read_key(tmp_path / "two_decays").tolist() == [0, 1, 1]
    with pytest.raises(DataError, match="cannot read"):
        read_key(tmp_path / "missing")


def test_events_without_features_keep_the_key_in_step(tmp_path):
    rows = raw_rows(40, labelled=False)
    rows[5, 0] = -1.0
    path = write_frame(tmp_path / "raw.h5", rows)
    key = tmp_path / "raw.masterkey"
    key.write_text("\n".join(str(int(i % 4 == 0)) for i in range(40)))
    given = [
        f"data.cache={tmp_path / 'cache'}",
        "data.max_skipped=0.1",
        f"data.key={key}",
        "regions.signal=[2000,3500]",
        "regions.sidebands=[[null,2000],[3500,null]]",
    ]
    asked = config(tmp_path / "run", path, *given)
    prepared = prepare(asked)
    assert len(prepared.data) == 39
    from anode.pipeline.runs.score_file import Scored

    ids = prepared.data.event_id[::-3]
    nothing = np.zeros(len(ids))
    scored = Scored(ids, nothing, nothing, nothing, nothing, None, {})
    result = blackbox.unblind(asked.data, prepared, scored)
    assert result.prepared.data.label is not None
    np.testing.assert_array_equal(result.prepared.data.label, prepared.data.event_id % 4 == 0)
    np.testing.assert_array_equal(result.scored.label, ids % 4 == 0)
    # The same through a file of features made before, which knows how many events there were.
    (made,) = (tmp_path / "cache").glob("*.h5")
    asked = config(tmp_path / "run", made, *given)
    again = blackbox.unblind(asked.data, prepare(asked), scored)
    np.testing.assert_array_equal(again.scored.label, ids % 4 == 0)
    published = tmp_path / "published.h5"
    raw = config(tmp_path / "run", path, *given).data
    make_features(raw, published, layout="lhco", cluster=LOCAL, n_jobs=1)
    asked = config(tmp_path / "run", published, *given)
    np.testing.assert_array_equal(prepare(asked).data.event_id, prepared.data.event_id)
    again = blackbox.unblind(asked.data, prepare(asked), scored)
    np.testing.assert_array_equal(again.scored.label, ids % 4 == 0)
