"""Tools check what they are given, stay below their root, and say what files say."""

import dataclasses
import re
import typing

import numpy as np
import pytest

from anode import io
from anode.assistant.toolbox import arguments
from anode.assistant.toolbox.data_facts import (
    data_facts,
    proposal_facts,
)
from anode.assistant.toolbox.run_facts import compare_facts, run_facts
from anode.assistant.toolbox.schema import argument, checked, schema_of
from anode.assistant.toolbox.search_facts import search_facts
from anode.assistant.toolbox.toolbox import Begun, Toolbox
from anode.assistant.toolbox.tools import TOOLS
from anode.assistant.toolbox.workspace import Workspace
from anode.errors import ConfigError, DataError
from anode.records import plain
from anode.reporting.search.result_table import verdict_level
from helpers.assistant_files import CARD, OF_TABLE, PROPOSAL, InstantJobs, write_table
from helpers.synthetic_search import as_result, write_search


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", ".anode/jobs", "a/.hidden", "${oc.env:HOME}",
             "a;b", "a'b", "a\nb", "x,y\\", ""],
)  # fmt: skip
def test_a_path_that_is_not_plainly_below_the_root_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"^run_dir must"):
        Workspace(tmp_path).path(name, "run_dir")


def test_a_link_out_of_the_root_is_refused_and_one_inside_is_followed(tmp_path):
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "data")
    at = Workspace(root)
    with pytest.raises(ConfigError, match="below the root"):
        at.path("out/secret", "path")
    assert at.path("in/file", "path") == root / "data" / "file"
    assert at.path(str(root / "data"), "path") == root / "data"
    with pytest.raises(ConfigError, match="got the root"):
        at.output(".", "run_dir")


def test_a_schema_has_bounds_defaults_and_nothing_beside():
    schema = schema_of(arguments.Search)
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"data", "run_dir"}
    start = schema["properties"]["start"]
    assert start["anyOf"][0] == {"type": "number", "minimum": 50.0, "maximum": 100_000.0}
    assert "[GeV]" in start["description"]
    assert schema["properties"]["method"]["default"] == "anode"
    assert "supervised" not in schema["properties"]["method"]["enum"]


def test_every_mass_of_every_tool_is_in_gev():
    for tool in TOOLS.values():
        for name in ("low", "high", "start", "stop", "width", "step"):
            if name in tool.input_schema["properties"]:
                assert "[GeV]" in tool.input_schema["properties"][name]["description"]


def test_labels_are_an_argument_that_is_false():
    asking = [name for name, tool in TOOLS.items() if "labels" in tool.input_schema["properties"]]
    assert asking == ["describe_file", "run", "compare"]
    for name in asking:
        assert TOOLS[name].input_schema["properties"]["labels"]["default"] is False


@dataclasses.dataclass(frozen=True)
class Some:
    low: float = argument("[GeV]", low=50, high=100)
    kind: str = argument("", "a", choices=("a", "b"))
    many: list[float] | None = argument("", None, low=0, high=1)  # noqa: RUF009


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "missing key low"),
        ({"low": 3.3}, "low must be at least 50, got 3.3"),
        ({"low": float("nan")}, "low must be at least 50"),
        ({"low": 101}, "low must be at most 100"),
        ({"low": "60"}, "low must be of type float, got '60'"),
        ({"low": True}, "low must be of type float, got True"),
        ({"low": 60, "kind": "c"}, "kind must be one of a, b, got 'c'"),
        ({"low": 60, "many": [0.5, 2]}, "many must be at most 1"),
        ({"low": 60, "python": "1"}, "unknown key python"),
    ],
)
def test_wrong_arguments_are_refused_in_a_line(given, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        checked(Some, given)


def test_right_arguments_are_taken():
    assert checked(Some, {"low": 60, "many": [0.5]}) == Some(60.0, "a", [0.5])


def box(tmp_path, **settings) -> Toolbox:
    toolbox = Toolbox(tmp_path)
    toolbox.jobs = InstantJobs(tmp_path / ".jobs", **settings)
    return toolbox


def test_words_of_a_command_are_quoted_and_fixed(tmp_path):
    write_table(tmp_path / "my events.npz", n_signal=0)
    toolbox = box(tmp_path)
    begun = toolbox.begin("search", {**OF_TABLE, "path": "my events.npz", "run_dir": "s"})
    assert isinstance(begun, Begun)
    words = begun.job.words
    assert words[0] == "search"
    assert f"data.path='{tmp_path}/my events.npz'" in words
    assert "data.columns={mass: 'm_jj', features: {a: 'a',b: 'b'}}" in words
    assert words[-1] == f"run_dir='{tmp_path}/s'"


@pytest.mark.parametrize(
    "change",
    [
        {"columns": ["a', hydra.run.dir: '/x"]}, {"columns": ["${oc.env:HOME}"]},
        {"features": ["a,b"]}, {"mass": None}, {"path": "none.npz"}, {"path": None},
    ],
)  # fmt: skip
def test_names_that_are_more_than_names_are_refused(tmp_path, change):
    write_table(tmp_path / "t.npz", n_signal=0)
    with pytest.raises(ConfigError):
        box(tmp_path).begin("search", {**OF_TABLE, "path": "t.npz", "run_dir": "s", **change})


def test_a_tool_gives_its_job_and_facts_of_its_schema(tmp_path):
    toolbox = box(tmp_path)
    result = toolbox.call("propose_regions", {"data": "bundled", "run_dir": "s"})
    assert isinstance(result, dict)
    assert result["job"]["state"] == "finished"
    assert result["facts"] == {**plain(proposal_facts(tmp_path / "s", "s"))}
    schema = TOOLS["propose_regions"].output_schema
    facts = schema["properties"]["facts"]["anyOf"][0]
    assert set(facts["properties"]) == set(result["facts"])


def test_a_failed_job_is_an_error_of_its_tool(tmp_path):
    toolbox = box(tmp_path, broken={"search": "the file is broken"})
    with pytest.raises(DataError, match=r"^search: the file is broken$"):
        toolbox.call("search", {"data": "bundled", "run_dir": "s"})


def test_unknown_tools_and_jobs_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="unknown tool serch; did you mean search"):
        Toolbox(tmp_path).call("serch", {})
    for job in ("none", "../x", ""):
        with pytest.raises(ConfigError, match="job must be the id"):
            Toolbox(tmp_path).call("job_status", {"job": job})


def test_runs_are_listed_without_windows_and_hidden_folders(tmp_path):
    for name in ("a", "s", "s/windows/3300_3700", ".x"):
        io.write_text(tmp_path / name / "config.yaml", "")
    io.write_text(tmp_path / "a" / "metrics.json", "{}")
    assert Toolbox(tmp_path).call("list_runs", {}) == {
        "runs": [
            {"folder": "a", "kind": "run", "finished": True},
            {"folder": "s", "kind": "search", "finished": False},
        ],
        "jobs": [],
    }


@pytest.mark.parametrize(("median", "doubted"), [(2.85, True), (2850.0, False), (2e6, True)])
def test_masses_that_may_be_no_gev_are_said(tmp_path, median, doubted):
    mass = {**CARD["derived"][0], "quantiles": [median] * 5}
    io.write_json(tmp_path / "card.json", {**CARD, "derived": [mass]})
    found = data_facts(tmp_path, "d", labels=False).mass_doubt
    assert (found is not None) == doubted
    assert not doubted or f"half of the masses are below {median:.3g} GeV" in found


@pytest.mark.parametrize(
    ("tool", "given", "message"),
    [
        (
            "run",
            {"data": "toy", "run_dir": "t.npz", "low": 60, "high": 70},
            "run_dir must be a fo",
        ),
        (
            "describe_file",
            {"data": "toy", "output": "t.npz"},
            "output must be a folder, but t.npz",
        ),
        ("report", {"run_dir": "t.npz"}, "run_dir must be a folder, but t.npz is a file"),
        ("compare", {"runs": ["none"], "output": "c"}, "runs must be folders of finished runs"),
        ("score", {"output": "s.csv"}, r"output must end in .h5 or .hdf5, got 's.csv'"),
        ("score", {"output": "t.h5"}, "t.h5 is there and is something else; choose another name"),
        ("score", {"output": "r/s.h5"}, "r/s.h5 is there and is something else"),
    ],
)
def test_no_tool_writes_over_what_another_has_left(tmp_path, tool, given, message):
    write_table(tmp_path / "t.npz", n_signal=0)
    scores = {name: np.zeros(3) for name in ("score", "sample", "outside")}
    io.write_hdf5(tmp_path / "t.h5", {"mass": np.zeros(3)})
    for name in ("r/s.h5", "s.h5"):
        io.write_hdf5(tmp_path / name, scores)
    of_score = {"run_dir": "r", "data": "blackbox", "path": "t.h5"}
    toolbox = box(tmp_path)
    with pytest.raises(ConfigError, match=message):
        toolbox.begin(tool, {**of_score, **given} if tool == "score" else given)
    assert isinstance(toolbox.begin("score", {**of_score, "output": "s.h5"}), Begun)


def test_labels_are_left_out_unless_asked_for(tmp_path):
    io.write_json(tmp_path / "card.json", CARD)
    blind = data_facts(tmp_path, "d", labels=False)
    assert (blind.n_signal, blind.n_background, blind.has_labels) == (None, None, True)
    assert data_facts(tmp_path, "d", labels=True).n_signal == 100
    assert blind.features[0].ks == 0.02
    metrics = {"method": "anode", "seed": 1, "auc": 0.9, "max_sic": 9.0, "n_data_sr": 70,
               "closure": {"a": 0.01}, "likelihood_gain": 0.2}  # fmt: skip
    io.write_json(tmp_path / "metrics.json", metrics)
    assert run_facts(tmp_path, "r", labels=False).numbers == {
        "n_data_sr": 70, "likelihood_gain": 0.2,
    }  # fmt: skip
    assert run_facts(tmp_path, "r", labels=True).numbers["auc"] == 0.9
    group = {"n_runs": 2, "auc": {"median": 0.9}, "n_data_sr": {"median": 70}, "max_sic": None}
    io.write_json(tmp_path / "comparison.json", {"one": group})
    compared = compare_facts(tmp_path, "c", {"r": tmp_path}, labels=False)
    assert compared.groups[0].medians == {"n_data_sr": 70}
    assert compared.runs == [run_facts(tmp_path, "r", labels=False)]


def test_facts_of_a_search_are_the_numbers_of_its_file(tmp_path):
    content = write_search(tmp_path)
    found, best = search_facts(tmp_path, "s"), content["best"]
    assert found.best is not None
    assert (found.best.low, found.best.high) == (best["low"], best["high"])
    assert found.best.z_global == best["z_global"]
    assert found.best.p_global == best["p_global"]
    assert (found.best.z_local, found.best.p_local) == (best["z_local"], best["p_local"])
    assert found.best.z_test == best.get("z_test", best["z_local"])
    assert found.best.n_observed == best["n_observed"]
    assert found.n_events == content["n_events"]
    assert [w.z_local for w in found.windows] == [t["z_local"] for t in content["combined"]]
    assert found.level == verdict_level(as_result(content))


def test_facts_of_a_proposal_are_those_of_its_file(tmp_path):
    io.write_json(tmp_path / "proposal.json", PROPOSAL)
    found = proposal_facts(tmp_path, "s")
    assert (found.start, found.stop, found.n_windows, found.n_usable) == (3000, 5000, 2, 1)
    assert found.reasons == ["too few"]


def test_every_kind_of_an_argument_has_a_schema():
    for tool in TOOLS.values():
        properties = tool.input_schema["properties"]
        assert set(properties) == set(typing.get_type_hints(tool.arguments))
        assert all("description" in one for one in properties.values())
