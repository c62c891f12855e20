"""A file that accounts for its values: places, merge keys, rules from general to particular."""

from __future__ import annotations

import json

import pytest

from baseload.config.importing.nouns import Rule
from baseload.config.importing.source import NEARER, UNKNOWN_KEY, Source
from baseload.errors import ConfigError

RULES = (
    Rule(("list[].name",), "models.NAME"),
    Rule(("list[].*_cost",), why="any cost"),
    Rule(("list[].the_cost",), why="this cost", do="write it"),
    Rule(("section",), why="all of it"),
)


def test_what_nobody_speaks_of_is_listed_by_its_rule() -> None:
    """The most particular rule speaks; a key that could be carried says so; one without a rule is unknown."""
    source = Source(
        "list: [{name: a, x_cost: 1, the_cost: 2, other: 3}]\nsection: {deep: {er: 4}}\n", "f", RULES
    )
    listed = [(one.key, one.why, one.do) for one in source.not_carried()]
    assert listed == [
        ("list[0].name", NEARER, ""),
        ("list[0].x_cost", "any cost", ""),
        ("list[0].the_cost", "this cost", "write it"),
        ("list[0].other", UNKNOWN_KEY, ""),
        ("section.deep.er", "all of it", ""),
    ]


def test_carried_values_are_not_listed_and_dropped_ones_not_carried() -> None:
    """A value is in one list; dropping it takes it back."""
    source = Source("list: [{name: a}, {name: b}]\n", "f", RULES)
    for item in source.root.get("list").items():
        item.get("name").carry("models.NAME")
    next(iter(source.root.get("list").items())).drop("for a reason")
    assert [one.key for one in source.not_carried()] == ["list[0].name"]
    assert [one.key for one in source.carried()] == ["list[1].name"]


def test_merge_keys_are_followed_to_where_values_stand() -> None:
    """YAML's `<<`, one base or several, what is written itself first."""
    text = "a: &a\n  x: 1\n  y: 2\nb: &b {y: 3, z: 4}\nlist:\n- <<: [*a, *b]\n  x: 9\n"
    source = Source(text, "f", RULES)
    [item] = source.root.get("list").items()
    assert item.value == {"x": 9, "y": 2, "z": 4}
    assert source.line((*item.path, "x")) == 7
    with pytest.raises(ConfigError) as caught:
        Source("list: [{<<: 1}]\n", "f", RULES)
    assert caught.value.key == "list[0].<<"


def test_json_is_read_with_its_escapes() -> None:
    """Pairs of surrogates too, which YAML does not have; tabs and slashes as well."""
    data = {"name": "\U0001f600 a/b \\ud83d", "inner": ["\U0001f600" * 2]}
    text = json.dumps(data, indent="\t").replace("/", "\\/")
    assert Source(text, "f", RULES).root.value == data


@pytest.mark.parametrize(
    ("value", "reading", "message"),
    [
        ("x", "number", "must be a number"),
        ("true", "number", "must be a number"),
        ("maybe", "flag", "must be true or false"),
        ("[1]", "text", "must be text"),
        ("''", "needed", "is required"),
    ],
)
def test_a_value_of_another_kind_is_an_error_with_its_place(value: str, reading: str, message: str) -> None:
    """File, line and key."""
    node = Source(f"a: 1\nsection:\n  key: {value}\n", "theirs.yaml", RULES).root.get("section", "key")
    with pytest.raises(ConfigError) as caught:
        getattr(node, reading)()
    error = caught.value
    assert (error.file, error.line, error.key, error.reason) == ("theirs.yaml", 3, "section.key", message)
