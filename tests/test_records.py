"""Records: what they read from JSON they write again, and what is wrong is named by its key."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest

from anode.errors import DataError
from anode.records import LEFT_OUT_IF_NONE, Record, key, plain


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True)
class Part(Record):
    name: str
    at: tuple[float, float]


@dataclass(frozen=True)
class Whole(Record):
    n: int
    parts: tuple[Part, ...]
    levels: dict[int, Interval | None] = field(metadata=key("global"))
    note: str | None
    done: bool = False
    later: float | None = field(default=None, metadata=LEFT_OUT_IF_NONE)


CONTENT = {
    "n": 3,
    "parts": [{"name": "a", "at": [1, 2.5]}],
    "global": {"1": {"low": 0.5, "high": 1.5}, "2": None},
    "note": None,
    "done": True,
}


def test_what_is_read_is_written_again_to_the_last_digit():
    whole = Whole.from_json(CONTENT, "f.json")
    assert whole.parts == (Part("a", (1, 2.5)),)
    assert whole.levels == {1: Interval(0.5, 1.5), 2: None}
    assert whole.to_json() == CONTENT
    assert list(whole.to_json()) == list(CONTENT)
    assert type(whole.to_json()["parts"][0]["at"][0]) is int


def test_a_key_that_an_old_file_lacks_has_its_default_and_stays_away():
    old = {name: value for name, value in CONTENT.items() if name != "done"}
    whole = Whole.from_json(old, "f.json")
    assert whole.done is False
    assert whole.to_json() == old
    assert replace(whole, done=True).to_json() == CONTENT
    assert Whole(1, (), {}, None).to_json()["done"] is False
    assert whole == Whole.from_json({**old, "done": False}, "f.json")


def test_a_key_of_a_newer_file_is_ignored():
    assert Whole.from_json({**CONTENT, "new": {"x": 1}}, "f.json").to_json() == CONTENT


def test_an_optional_key_is_written_once_it_has_a_value():
    whole = replace(Whole.from_json(CONTENT, "f.json"), later=2.0)
    assert whole.to_json() == {**CONTENT, "later": 2.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": "3"}, "n must be a whole number, got '3'"),
        ({"n": 3.0}, "n must be a whole number, got 3.0"),
        ({"n": True}, "n must be a whole number, got True"),
        ({"done": 1}, "done must be true or false, got 1"),
        ({"note": 7}, "note must be a text or null, got 7"),
        ({"parts": {}}, "parts must be a list, got {}"),
        ({"parts": [{"name": "a", "at": [1]}]}, "parts[0].at must be a list of 2, got [1]"),
        ({"parts": [{"name": "a"}]}, "parts[0].at is missing, expected a list of 2"),
        ({"parts": [3]}, "parts[0] must be a group of keys, got 3"),
        ({"global": {"one": None}}, "global must be a group with keys of the kind int, got 'one'"),
        ({"global": {"1": {"low": 1}}}, "global.1.high is missing, expected a number"),
        ({"later": "x" * 99}, f"later must be a number or null, got '{'x' * 56}..."),
    ],
)
def test_what_is_wrong_is_one_line_with_file_key_expected_and_got(changes, message):
    with pytest.raises(DataError) as caught:
        Whole.from_json({**CONTENT, **changes}, "results/f.json")
    assert str(caught.value) == f"results/f.json: {message}"


@pytest.mark.parametrize("name", ["n", "parts", "global", "note"])
def test_a_missing_key_is_named(name):
    content = {k: v for k, v in CONTENT.items() if k != name}
    with pytest.raises(DataError, match=rf"^f\.json: {name} is missing, expected "):
        Whole.from_json(content, "f.json")


def test_a_file_that_is_no_group_of_keys_is_refused():
    with pytest.raises(DataError, match=r"f\.json: its content must be a group of keys, got \[\]"):
        Whole.from_json([], "f.json")


def test_nested_values_become_plain_containers():
    value = {1: (Interval(1, 2), Part("a", (1, 2)))}
    assert plain(value) == {"1": [{"low": 1, "high": 2}, {"name": "a", "at": [1, 2]}]}
