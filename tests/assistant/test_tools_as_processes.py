"""The tools through the commands that they begin, against the same commands typed by hand."""

from pathlib import Path
from typing import Any

import anyio
import h5py
import numpy as np
import pytest
from mcp import Client

from anode import io
from anode.assistant.server import make_server
from anode.assistant.toolbox.run_facts import WITHOUT_LABELS
from anode.assistant.toolbox.toolbox import Toolbox
from anode.commands.main import main
from anode.pipeline.datasets.features_manifest import read_features_manifest
from anode.pipeline.runs.run_directory import RunDirectory
from helpers.assistant_files import OF_TABLE, write_table
from helpers.bundled_files import bundled_part
from helpers.raw_files import raw_rows, write_frame

pytestmark = pytest.mark.slow

RUN: dict[str, Any] = {
    "data": "bundled", "path": "own.h5", "low": 3300, "high": 3700, "epochs": 2, "folds": 2,
    "n_jobs": 1,
}  # fmt: skip
BY_HAND = [
    "data=bundled", "data.path=own.h5", "regions.signal=[3300.0,3700.0]", "method=anode",
    "density=made_mog", "trainer.epochs=2", "ensemble.size=2", "split.folds=2", "n_jobs=1",
    "tracker=none", "store=null",
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    bundled_part(folder / "own.h5", slice(0, 9000))
    bundled_part(folder / "other.h5", slice(8900, 12_000))
    write_frame(folder / "raw.h5", raw_rows(40))
    return folder


def called(root: Path, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Results of calls of tools, one after the other: facts, or what was wrong."""

    async def use() -> list[Any]:
        found: list[Any] = []
        async with Client(make_server(Toolbox(root)), read_timeout_seconds=600) as client:
            await client.list_tools()  # results are then checked by their schemas
            for name, arguments in calls:
                done = await client.call_tool(name, arguments)
                text = done.content[0].text
                found.append(text if done.is_error else done.structured_content.get("facts"))
        return found

    return anyio.run(use)


def typed(*words: str) -> None:
    """A command, typed in the folder of the files."""
    assert main(list(words)) == 0


def datasets(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


def same(one: Path, other: Path) -> bool:
    left, right = datasets(one), datasets(other)
    return left.keys() == right.keys() and all(
        np.array_equal(values, right[name], equal_nan=values.dtype.kind == "f")
        for name, values in left.items()
    )


@pytest.mark.parametrize("layout", ["anode", "lhco"])
def test_make_features_writes_what_the_command_does(root, monkeypatch, layout):
    monkeypatch.chdir(root)
    name = f"{layout}.h5"
    arguments = {"path": "raw.h5", "output": name, "layout": layout, "n_jobs": 1}
    first, again = called(root, ("make_features", arguments), ("make_features", arguments))
    assert again == first, "called again, it finds the same file"
    typed("features", "data.path=raw.h5", "output=typed.h5", f"layout={layout}", "n_jobs=1")
    by_hand = read_features_manifest(root / "typed.h5")
    assert by_hand is not None
    assert first["sha256"] == by_hand.output_sha256
    assert (first["n_read"], first["n_written"]) == (by_hand.n_read, by_hand.n_written)
    assert first["skipped"] == by_hand.skipped
    (root / "typed.h5").unlink()


@pytest.fixture(scope="module")
def ran(root) -> list[Any]:
    """Two runs by the tool, the second with labels; the first again; and the first by hand."""
    found = called(
        root,
        ("run", {**RUN, "run_dir": "a"}),
        ("run", {**RUN, "run_dir": "b", "seed": 2, "labels": True}),
        ("run", {**RUN, "run_dir": "a"}),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        typed("run", *BY_HAND, "run_dir=typed")
    return found


def test_run_gives_the_numbers_of_the_command(root, ran):
    first, with_labels, again = ran
    assert same(root / "a" / "scores.h5", root / "typed" / "scores.h5")
    by_hand = RunDirectory(root / "typed").read_metrics().quantities
    measured = ("seconds", "cpu_seconds")
    expected = {k: v for k, v in by_hand.items() if k in WITHOUT_LABELS and k not in measured}
    assert {k: v for k, v in first["numbers"].items() if k not in measured} == expected
    assert expected["n_data_sr"] > 0
    assert again == first, "called again, it finds a finished run"
    assert with_labels["with_labels"]
    assert "auc" not in first["numbers"]
    assert set(with_labels["numbers"]) >= {"n_injected_sr", "s_over_b"}


def test_score_gives_the_scores_of_the_command(root, ran, monkeypatch):
    monkeypatch.chdir(root)
    arguments = {
        "run_dir": "a", "data": "bundled", "path": "other.h5", "output": "scores.h5", "n_jobs": 1,
    }  # fmt: skip
    first, again, over = called(
        root,
        ("score", arguments),
        ("score", arguments),
        ("score", {**arguments, "output": "other.h5"}),
    )
    typed("score", "run_dir=a", "data=bundled", "data.path=other.h5", "output=typed.h5",
          "n_jobs=1")  # fmt: skip
    assert same(root / "scores.h5", root / "typed.h5")
    score = datasets(root / "typed.h5")["score"]
    assert (first["n_scored"], first["output"]) == (len(score), "scores.h5")
    assert (first["score_low"], first["score_high"]) == (score.min(), score.max())
    assert first["score_median"] == np.median(score)
    assert again == first
    assert over == (
        "output must be new, or hold earlier scores of a file, but other.h5 is there and is "
        "something else; choose another name"
    )


def test_compare_gives_the_medians_of_the_command(root, ran, monkeypatch):
    monkeypatch.chdir(root)
    blind, open_ = called(
        root,
        ("compare", {"runs": ["a", "b"], "output": "blind"}),
        ("compare", {"runs": ["a", "b"], "output": "open", "labels": True}),
    )
    typed("compare", "runs=[a,b]", "output=typed_comparison", "figures=[]")
    ((name, group),) = io.read_json(root / "typed_comparison" / "comparison.json").items()
    (found,), (all_,) = blind["groups"], open_["groups"]
    assert (found["name"], found["n_runs"]) == (name, 2)
    assert found["medians"]["likelihood_gain"] == group["likelihood_gain"]["median"]
    assert set(found["medians"]) <= set(WITHOUT_LABELS)
    assert all_["medians"].items() >= found["medians"].items()
    assert set(all_["medians"]) - set(found["medians"])
    assert [run["folder"] for run in blind["runs"]] == ["a", "b"]
    assert blind["runs"][0] == ran[0]


def broken_files(root: Path) -> None:
    write_table(root / "good.npz", n_signal=0)
    columns = {name: values.copy() for name, values in np.load(root / "good.npz").items()}
    np.savez(root / "tev.npz", **{**columns, "m_jj": columns["m_jj"] / 1000})
    columns["a"][3] = np.nan
    np.savez(root / "nan.npz", **columns)
    (root / "text.npz").write_text("hello")


def test_files_that_cannot_be_searched_are_explained_in_a_line(root):
    broken_files(root)
    window = {"low": 3300, "high": 3700}
    tev, nan, text, *tools = called(
        root,
        *(("describe_file", {**OF_TABLE, "path": f"{name}.npz", "output": f"card_{name}"})
          for name in ("tev", "nan", "text")),
        ("isolation_forest", {**OF_TABLE, **window, "path": "tev.npz", "run_dir": "f1"}),
        ("isolation_forest", {**OF_TABLE, **window, "path": "nan.npz", "run_dir": "f2"}),
        ("isolation_forest", {**OF_TABLE, **window, "path": "text.npz", "run_dir": "f3"}),
        ("report", {"run_dir": "nowhere"}),
    )  # fmt: skip
    assert "half of the masses are below 2.8" in tev["mass_doubt"]
    assert nan["mass_doubt"] is None
    (fault,) = nan["faults"]
    assert (fault["column"], fault["rule"], fault["rows"]) == ("a", "must be finite", [3])
    for found, words in zip(
        (text, *tools),
        ("expected a NumPy archive", "set data.mass_unit=TeV", "must be finite, but row 3 has nan",
         "expected a NumPy archive", "there is no folder"),
        strict=True,
    ):  # fmt: skip
        assert words in found
        assert "\n" not in found
    listed = called(root, ("list_runs", {}))
    assert listed == [None], "it has no facts of a job"


def test_isolation_forest_gives_the_search_of_the_command(root, monkeypatch):
    monkeypatch.chdir(root)
    write_table(root / "bump.npz", n_signal=250)
    forest = {**OF_TABLE, "path": "bump.npz", "run_dir": "forest", "low": 3300, "high": 3700}
    (found,) = called(root, ("isolation_forest", forest))
    typed("search", "data=table", "data.path=bump.npz", "run_dir=typed_forest", "seed=1",
          "n_jobs=1", "data.columns={mass: m_jj, features: {a: a, b: b}}",
          "method=isolation_forest", "scan.start=3300", "scan.stop=3700", "scan.width=400",
          "scan.step=400", "scan.share=1", "overdispersion.n_experiments=0", "extras=false",
          "n_toys=1000", "tracker=none")  # fmt: skip
    by_hand = io.read_json(root / "typed_forest" / "search.json")["best"]
    assert found["best"]["n_observed"] == by_hand["n_observed"]
    assert found["best"]["z_global"] == by_hand["z_global"]
    assert found["method"] == "isolation_forest"
