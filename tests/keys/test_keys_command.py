"""`baseload keys`: what goes to standard output, what to the operator, and which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from baseload.cli import cli
from baseload.errors import UnknownName, UsageError
from baseload.keys import KeyStore

FILE = """\
targets: {a: {metered: {provider: openai, key: ${NOT_SET_HERE}}}}
models: {chat: {metered: [a]}}
classes: {default: {regions: any}}
tenants: {shop: {}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration whose secrets are not at hand."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "baseload.yaml").write_text(FILE)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["keys", *arguments])


def test_create_prints_the_key_alone_on_standard_output(folder: Path) -> None:
    """A script can take it with $(…); the rest is for people."""
    result = run("create", "--tenant", "shop", "--tokens-per-minute", "400k")
    assert result.exit_code == 0, result.output
    key = KeyStore(folder / "baseload-data", {}).lookup(result.stdout.strip().encode())
    assert key is not None
    assert (key.tenant, key.limits.tokens_per_minute) == ("shop", 400_000)
    assert key.id in result.stderr
    assert "not shown again" in result.stderr


def test_create_as_json_holds_key_and_record(folder: Path) -> None:
    """Names, models and limits as they were given."""
    found = json.loads(
        run("create", "--name", "till", "--model", "chat", "--concurrent", "5", "--json").stdout
    )
    assert found["key"].startswith(f"bl_{found['id']}_")
    assert (found["tenant"], found["name"], found["models"]) == ("default", "till", ["chat"])
    assert found["limits"] == {"requests_per_minute": None, "tokens_per_minute": None, "concurrent": 5}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--tenant", "shp"], "did you mean 'shop'?"), (["--model", "chit"], "did you mean 'chat'?")],
)
def test_create_knows_the_names_of_the_configuration(folder: Path, arguments: list[str], reason: str) -> None:
    """A key of a tenant or model that does not exist would never open; none is made."""
    result = run("create", *arguments)
    assert isinstance(result.exception, UnknownName)
    assert reason in str(result.exception)
    assert not (folder / "baseload-data").exists()


@pytest.mark.parametrize("value", ["0", "many", "-5", "1.5"])
def test_limits_are_whole_numbers_above_zero(folder: Path, value: str) -> None:
    """A limit of nothing is a typo, not a key."""
    assert run("create", f"--concurrent={value}").exit_code == 2


def test_list_shows_ids_and_states_but_no_secret(folder: Path) -> None:
    """Valid and revoked ones, oldest first."""
    text = run("create", "--tenant", "shop", "--name", "till").stdout.strip()
    run("create")
    assert run("revoke", text.split("_")[1]).exit_code == 0
    result = run("list")
    first, second = result.stdout.splitlines()[1:]
    assert (first.split()[:3], "revoked 2" in first, " valid " in second) == (
        [text.split("_")[1], "shop", "till"],
        True,
        True,
    )
    assert text.rpartition("_")[2] not in result.output
    as_json = json.loads(run("list", "--json").stdout)
    assert [(key["tenant"], key["revoked"] is None) for key in as_json] == [
        ("shop", False),
        ("default", True),
    ]


def test_list_without_keys_says_how_to_make_one(folder: Path) -> None:
    """An empty table would leave a newcomer guessing."""
    assert run("list").stdout == "no keys yet: baseload keys create\n"
    assert json.loads(run("list", "--json").stdout) == []


def test_revoke_of_an_unknown_id_ends_with_1_and_names_the_nearest(folder: Path) -> None:
    """The answer is no; the nearest id helps with a typo."""
    key = json.loads(run("create", "--json").stdout)["id"]
    result = run("revoke", key[:-1] + "1")
    assert (result.exit_code, f"did you mean '{key}'?" in result.stderr) == (1, True)


def test_the_data_folder_can_be_named_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--data and --config each find the same keys; with neither and no file, the command says what to do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "b.yaml").write_text(FILE + "data: ../state\n")
    text = run("create", "--data", "state").stdout.strip()
    listed = json.loads(run("list", "--config", "conf/b.yaml", "--json").stdout)
    assert [key["id"] for key in listed] == [text.split("_")[1]]
    result = run("list")
    assert isinstance(result.exception, UsageError)
    assert "--config" in str(result.exception)
