"""A conclusion says what the numbers say: an excess from 3 sigma on, and nothing below."""

import dataclasses
from pathlib import Path

import pytest

from anode import io
from anode.assistant.advice import next_steps
from anode.assistant.conclusion import Conclusion, conclude
from anode.assistant.toolbox.data_facts import DataFacts, data_facts, proposal_facts
from anode.assistant.toolbox.score_facts import window_scores
from anode.assistant.toolbox.search_facts import SearchFacts, search_facts
from helpers.assistant_files import CARD, PROPOSAL, InstantJobs


def searched(folder: Path, n_signal: float) -> SearchFacts:
    InstantJobs(folder, n_signal=n_signal).begin("search", [f"run_dir={folder / 's'}"], "s")
    return search_facts(folder / "s", "s")


@pytest.fixture(scope="module")
def signal(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("signal")
    searched(folder, 130)
    io.write_json(folder / "card.json", CARD)
    io.write_json(folder / "proposal.json", PROPOSAL)
    return folder


def facts(folder: Path) -> SearchFacts:
    return search_facts(folder / "s", "s")


def concluded(folder: Path, search: SearchFacts, forest: SearchFacts | None = None) -> Conclusion:
    data, proposal = data_facts(folder, "d", labels=False), proposal_facts(folder, "s")
    return conclude(data, proposal, search, forest, None)


def test_an_excess_is_claimed_with_its_window_and_bound(signal):
    search = facts(signal)
    found = concluded(signal, search)
    assert found.claimed
    assert search.best is not None
    assert (found.low, found.high) == (search.best.low, search.best.high)
    assert (found.z_local, found.z_global) == (search.best.z_local, search.best.z_global)
    assert found.z_test == search.best.z_test
    assert found.z_global_is_bound
    assert "global Z > 4.1 (p < 1.5e-5)" in found.found[0]  # 4.1733, on the safe side
    assert found.explanations[0].startswith("A fluctuation of background")
    assert any("other events" in line for line in found.next)
    assert any("luminosity" in line for line in found.questions)
    assert any("labels, which were not read" in line for line in found.questions)


@pytest.mark.parametrize("level", ["none", "watch", "unexplained", "incomplete", "beyond"])
def test_below_three_sigma_nothing_is_claimed(signal, level):
    search = dataclasses.replace(facts(signal), level=level)
    found = concluded(signal, search)
    assert not found.claimed
    assert found.found[0].endswith("nothing is claimed.")
    assert "What limits this" in found.sections()
    assert not any("signal stays" in line for line in found.next)


def test_background_is_claimed_nothing_of(tmp_path, signal):
    search = searched(tmp_path, 0)
    found = concluded(signal, search)
    assert not found.claimed
    assert "excess that background alone does not explain" not in " ".join(found.found)


def test_without_a_tested_window_nothing_is_claimed(signal):
    search = dataclasses.replace(facts(signal), best=None, level="untested")
    found = concluded(signal, search)
    assert (found.claimed, found.low, found.z_global) == (False, None, None)
    assert found.found[0] == "No window could be tested, so nothing is claimed."


def test_warnings_become_explanations_and_steps(signal):
    search = facts(signal)
    search = dataclasses.replace(search, warnings=[
        dataclasses.replace(search.warnings[0], kind="copies", text="12 copies."),
    ])  # fmt: skip
    found = concluded(signal, search)
    assert "Repeated events, which are counted as events of their own. 12 copies." in (
        found.explanations
    )
    assert "Remove the repeated events, and search again." in found.next


def test_checks_say_passed_or_failed_by_their_p_value(signal):
    search = dataclasses.replace(facts(signal), sculpting_p=0.5, score_mass_p=0.001)
    checks = concluded(signal, search, forest=search).checks
    assert "Pass rate smooth in the mass outside the window: p = 0.50, passed." in checks
    assert "Pass rate flat in the mass inside it: p = 0.0010, failed." in checks
    assert any(line.startswith("Isolation forest: it sees the excess too") for line in checks)
    none = concluded(signal, search).checks
    assert "Isolation forest: it could not test the window." in none


def test_a_forest_that_sees_more_than_the_search_is_a_next_step(signal):
    search = facts(signal)
    assert next_steps(search, [], False, search) == [
        "The isolation forest has an excess there: look at its report."
    ]
    assert next_steps(search, [], False, None) == ["Nothing that the numbers ask for."]


def test_copies_and_faults_of_the_file_are_asked_about(signal):
    data: DataFacts = dataclasses.replace(
        data_facts(signal, "d", labels=False), n_repeated=1200, n_faulty=3
    )
    found = conclude(data, proposal_facts(signal, "s"), facts(signal), None, None)
    assert "1,200 rows repeat an earlier one: were jobs merged twice?" in found.questions
    assert "3 rows break a rule: is the reason known?" in found.questions


def test_scores_of_the_best_window_count_its_events_alone(signal):
    found = window_scores(signal / "s", "s")
    assert [(each.efficiency, each.n_events) for each in found.passing] == [
        (0.1, 2), (0.01, 1), (0.001, 1),
    ]  # fmt: skip
    assert (found.n_scored, found.score_low, found.score_high) == (2, 1.0, 2.0)
    assert len(found.top) + found.n_repeated == 10
    assert found.top[0].mass >= found.low
