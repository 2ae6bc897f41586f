"""Keys, groups and comments of a command are those that Hydra composes."""

import functools

import pytest
from omegaconf import OmegaConf

from anode.configuration import keys
from anode.configuration.builder import CONFIG_DIR
from anode.configuration.composition import compose
from anode.configuration.keys import choices_of, groups_of, keys_of

CONFIGS = sorted(p.stem for p in CONFIG_DIR.glob("*.yaml") if "defaults:" in p.read_text())


def test_a_comment_may_stand_behind_above_and_below(tmp_path, monkeypatch):
    (tmp_path / "some.yaml").write_text(
        "# What it is. More of it.\n"
        "plain: 1\n"
        "behind: [1,\n  2]  # a list: of two\n"
        "# above\n"
        "group:   # heading\n"
        '  text: "a # b"   # last | best; both\n'
        "  low: null       # first line\n"
        "                  # and second\n"
        "  # of high\n"
        "  high: 1.0e-6\n"
        "rows:   # block\n"
        "  - [1, 2]\n"
        "  - [3, 4]\n"
        "only: a   # a | b\n"
    )
    monkeypatch.setattr(keys, "CONFIG_DIR", tmp_path)
    found = {key.path: key[1:4] for key in keys.read_keys("some")}
    assert found == {
        "plain": ("1", "", ()),
        "behind": ("[1, 2]", "a list: of two", ()),
        "group": ("", "above heading", ()),
        "group.text": ('"a # b"', "both", ("last", "best")),
        "group.low": ("null", "first line and second", ()),
        "group.high": ("1.0e-6", "of high", ()),
        "rows": ("[[1, 2], [3, 4]]", "block", ()),
        "only": ("a", "", ("a", "b")),
    }
    assert keys.describe("some") == ("What it is.", "What it is. More of it.")


@pytest.mark.parametrize("config", CONFIGS)
def test_keys_and_defaults_are_those_that_hydra_composes(config):
    must = [f"{g.name}={g.choices[0].name}" for g in groups_of(config) if g.default == "???"]
    found = [key for key in keys_of(config, must) if not key.is_heading]
    shown: dict = {}
    for key in found:
        *above, last = key.path.split(".")
        place = functools.reduce(lambda group, name: group.setdefault(name, {}), above, shown)
        place[last] = plain(OmegaConf.create(f"x: {key.default}"))["x"]
    assert shown == plain(compose(config, must))


def plain(config):
    return OmegaConf.to_container(config, resolve=False)


def test_a_key_of_a_later_file_keeps_the_comment_of_the_former():
    paper = {key.path: key for key in keys_of("run", ["density=maf_paper"])}
    affine = {key.path: key for key in keys_of("run", ["density=maf"])}
    assert paper["density.n_transforms"].default == "15"
    assert paper["density.n_transforms"].comment == affine["density.n_transforms"].comment
    assert paper["density.n_transforms"].file == "density/maf_paper"


def test_groups_are_those_of_the_command_alone():
    names = {config: [group.name for group in groups_of(config)] for config in CONFIGS}
    assert names["report"] == []
    assert names["compare"] == ["study"]
    assert names["explore"] == ["data"]
    assert {"data", "density", "method", "experiment"} < set(names["run"])
    assert "density@method.density" in [g.name for g in groups_of("run", ["method=r_anode"])]


def test_choices_of_a_folder_inside_a_group_have_its_name():
    names = [choice.name for choice in choices_of("study")]
    assert "family" in names
    assert "lhco_rd/family" in names


@pytest.mark.parametrize("config", CONFIGS)
def test_every_key_and_choice_is_explained(config):
    # What a study calls its variants is no key, nor are the bounds of a space.
    names_of_studies = (
        *("study.variants.", "study.points.", "study.labels.", "study.signals.", "study.joined."),
        "space.",
    )
    groups = groups_of(config) if config not in ("search", "common") else []  # as those of a run
    for group in [None, *groups]:
        for choice in group.choices if group else [None]:
            chosen = [] if choice is None else [f"{group.name}={choice.name}"]
            assert choice is None or choice.summary, chosen
            for key in keys_of(config, chosen):
                explained = key.is_heading or key.comment or key.choices
                assert explained or key.path.startswith(names_of_studies), (chosen, key)
