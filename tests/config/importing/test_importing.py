"""Importing: nothing is dropped in silence, no secret is shown, and what is made is valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from baseload.cli import cli
from baseload.config import InvalidConfig, parse
from baseload.config.importing import GATEWAYS, import_text, written
from baseload.config.importing.source import UNKNOWN_KEY, Source
from baseload.errors import ConfigError
from tests.config.importing.conftest import MARK, environment, examples, leaves, names, plain, read, spoken

FOUND = examples()
SHORT = [found for found in FOUND if found[1].stem == "serving"]
each = pytest.mark.parametrize(("word", "path"), FOUND, ids=names(FOUND))


@each
def test_every_value_is_carried_or_listed(word: str, path: Path) -> None:
    """The two lists together are the file's values, each once, by an independent reading of the file."""
    found = read(word, path)
    assert sorted(map(str, leaves(plain(path)))) == sorted(str(one.path) for one in spoken(found))


@each
def test_every_line_is_where_the_value_stands(word: str, path: Path) -> None:
    """A listed value's line holds its key, or for an item of a list its value."""
    lines = path.read_text().splitlines()
    found = read(word, path)
    for one in spoken(found):
        keys = [part for part in one.path if isinstance(part, str)]
        if isinstance(one.path[-1], str):
            assert keys[-1] in lines[one.line - 1], one


@each
def test_what_is_not_carried_has_a_reason(word: str, path: Path) -> None:
    """Every listed value says why."""
    assert all(one.why for one in read(word, path).not_carried)


@each
def test_the_made_file_is_valid(word: str, path: Path, tmp_path: Path) -> None:
    """`config check` takes it with the variables that it names set, and finds all its targets and models."""
    found = read(word, path)
    made = tmp_path / "baseload.yaml"
    made.write_text(written(found))
    env = environment(found.variables)
    result = CliRunner().invoke(cli, ["config", "check", str(made), "--json"], env=env)
    assert result.exit_code == 0, result.output
    understood = json.loads(result.output)
    assert list(understood["targets"]) == list(found.config["targets"])
    assert list(understood["models"]) == list(found.config["models"])
    assert list(parse(written(found), "baseload.yaml", tmp_path, env).targets) == list(understood["targets"])


@each
def test_every_variable_is_needed(word: str, path: Path, tmp_path: Path) -> None:
    """Each one that is listed as to be set stands in the file: without it the file is refused."""
    found = read(word, path)
    for variable in found.variables:
        env = environment(one for one in found.variables if one != variable)
        with pytest.raises(InvalidConfig) as caught:
            parse(written(found), "baseload.yaml", tmp_path, env)
        assert {f"environment variable {variable.name} is not set"} == {
            problem.reason for problem in caught.value.problems if "environment" in problem.reason
        }


@each
def test_no_secret_is_shown(word: str, path: Path, tmp_path: Path) -> None:
    """Neither in the made file nor in what the command prints, as text or JSON."""
    assert MARK in path.read_text() or word == "openrouter"  # its requests carry no credential
    output = tmp_path / "made.yaml"
    shown = CliRunner().invoke(cli, ["config", "import", word, str(path), "--output", str(output)])
    assert shown.exit_code == 0, shown.output
    as_json = CliRunner().invoke(cli, ["config", "import", word, str(path), "--json"])
    assert as_json.exit_code == 0
    assert MARK not in shown.output + as_json.output + output.read_text()


@pytest.mark.parametrize("word", GATEWAYS)
def test_the_examples_use_every_key(word: str) -> None:
    """Each key that the rules know stands in an example, so that none of the above leaves it out."""
    used: set[str] = set()
    for gateway, path in FOUND:
        if gateway == word:
            source = Source(path.read_text(), path.name, GATEWAYS[word].rules, GATEWAYS[word].normal)
            used |= {
                key for leaf, _ in source.leaves((), source.root.value) for key in source.rule_keys(leaf)
            }
    assert sorted({key for rule in GATEWAYS[word].rules for key in rule.keys} - used) == []


@pytest.mark.parametrize("word", GATEWAYS)
def test_a_key_that_nobody_knows_is_listed_without_its_text(word: str) -> None:
    """What it is is not known, so its value may be a secret."""
    path = next(path for gateway, path in FOUND if gateway == word and path.stem == "every_key")
    unknown = [one for one in read(word, path).not_carried if one.why == UNKNOWN_KEY]
    assert [(one.path[-1], one.value) for one in unknown] == [("nobody_knows_this", "(hidden)")]


ODD: tuple[Any, ...] = (
    "", 0, -1, None, [], {}, True, 1e30, "two words", "ü", "*", "@x/y", "1e3", "a" * 300, ["x"], {"a": "b"},
    "http://u:pass@host/x?k=v", "ftp://host", "os.environ/SOME_NAME", "99999999999",
)  # fmt: skip
"""What may stand where something else should."""


@pytest.mark.parametrize(("word", "path"), SHORT, ids=names(SHORT))
def test_whatever_stands_there_is_refused_carried_or_listed(word: str, path: Path, tmp_path: Path) -> None:
    """Each value replaced by each odd one: an error with its place, or two whole lists and a valid file."""
    refused = []
    for place in leaves(plain(path)):
        for odd in ODD:
            text = json.dumps(replaced(plain(path), place, odd))
            try:
                found = import_text(word, text, path.name)
            except ConfigError as error:
                refused.append((error.file, error.line, error.key != ""))
                continue
            assert {str(one.path) for one in spoken(found)} == set(map(str, leaves(json.loads(text))))
            if found.config:
                parse(written(found), "baseload.yaml", tmp_path, environment(found.variables))
    assert set(refused) <= {(path.name, 1, True)}


def replaced(data: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """The data with this value at this place."""
    inner = data
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return data


@pytest.mark.parametrize("word", GATEWAYS)
def test_a_file_without_anything_to_serve_makes_nothing(word: str, tmp_path: Path) -> None:
    """Exit code 1, the list is printed, no file is written."""
    path, output = tmp_path / "other.yaml", tmp_path / "made.yaml"
    path.write_text("nobody_knows_this: 1\n")
    result = CliRunner().invoke(cli, ["config", "import", word, str(path), "--output", str(output)])
    assert result.exit_code == 1
    assert "nothing in it can be served; 0 values carried over, 1 not" in result.output
    assert not output.exists()


@pytest.mark.parametrize("word", GATEWAYS)
@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("a: [1\nb: 2\n", 2, ""),
        ("- 1\n", 1, ""),
        ("a: 1\nb: 2\na: 3\n", 3, "a"),
        ("", 1, ""),
    ],
)
def test_a_broken_file_is_refused_with_its_place(word: str, text: str, line: int, key: str) -> None:
    """No YAML, no mapping, a key twice, an empty file."""
    with pytest.raises(ConfigError) as caught:
        import_text(word, text, "theirs.yaml")
    assert (caught.value.file, caught.value.line, caught.value.key) == ("theirs.yaml", line, key)


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    """The made file must be new."""
    output = tmp_path / "baseload.yaml"
    output.write_text("mine\n")
    word, path = FOUND[0]
    result = CliRunner().invoke(cli, ["config", "import", word, str(path), "--output", str(output)])
    assert result.exit_code != 0
    assert "exists already" in str(result.exception)
    assert output.read_text() == "mine\n"


def test_without_output_the_file_goes_to_standard_output() -> None:
    """And the lists to standard error, so that `> baseload.yaml` gives the file."""
    word, path = FOUND[0]
    result = CliRunner().invoke(cli, ["config", "import", word, str(path)])
    assert result.stdout == written(import_text(word, path.read_text(), str(path)))
    assert "not carried over" in result.stderr


def test_json_holds_the_file_and_the_lists() -> None:
    """A script finds everything that the text says."""
    word, path = FOUND[0]
    found = json.loads(CliRunner().invoke(cli, ["config", "import", word, str(path), "--json"]).output)
    expected = import_text(word, path.read_text(), str(path))
    assert found["text"] == written(expected)
    assert list(found["config"]["targets"]) == list(expected.config["targets"])
    assert [one["key"] for one in found["not_carried"]] == [one.key for one in expected.not_carried]
    assert [one["became"] for one in found["carried"]] == [one.became for one in expected.carried]
    assert [one["name"] for one in found["variables"]] == [one.name for one in expected.variables]
