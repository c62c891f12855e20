"""The command `baseload` itself: what it lists, what it loads, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import baseload.cli
from baseload import __version__
from baseload.cli import COMMANDS, cli, main
from baseload.errors import BaseloadError, ConfigError, DataError, EnvironmentProblem, UnknownName, UsageError


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command below this group, groups among them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


@pytest.mark.parametrize("words", list(every_command(cli)), ids=" ".join)
def test_help_shows_an_example(words: tuple[str, ...]) -> None:
    """Every command's --help holds a call of it besides its usage line."""
    result = CliRunner().invoke(cli, [*words, "--help"])
    assert result.exit_code == 0, result.output
    usage, _, rest = result.output.partition("\n")
    assert usage.startswith("Usage: ")
    assert f"baseload {' '.join(words)} " in " ".join(rest.split()) + " "


def test_a_command_is_a_module_of_its_name() -> None:
    """One file a command: those listed are those there, no more and no fewer."""
    folder = Path(baseload.cli.__file__).parent
    assert set(COMMANDS) == {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}


def test_no_command_is_loaded_before_it_is_called() -> None:
    """`baseload --help` imports none of them, so that a gateway never pays for the planner."""
    code = (
        "import sys; from baseload.cli import cli; cli(['--help'], standalone_mode=False);"
        "print(*(name for name in sys.modules if name.startswith('baseload.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)
    assert done.stderr.split() == ["baseload.errors", "baseload.cli"]


def test_the_version_is_the_packages() -> None:
    """`baseload --version` says it in one line."""
    result = CliRunner().invoke(cli, ["--version"])
    assert (result.exit_code, result.output) == (0, f"baseload, version {__version__}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ledgr"], "unknown command 'ledgr'; did you mean 'ledger'?"),
        (["keys", "creat"], "unknown command 'creat'; did you mean 'create'?"),
        (["ledger", "total"], "unknown command 'total'; did you mean 'totals'?"),
        (["config", "chek"], "unknown command 'chek'; did you mean 'check'?"),
        (["twin", "engin"], "unknown command 'engin'; did you mean 'engine'?"),
        (["xyzzy"], "unknown command 'xyzzy'; there are demo, plan, capacity,"),
    ],
)
def test_an_unknown_command_is_told_the_nearest(words: list[str], expected: str) -> None:
    """A typo costs one reading, at every level; a word like none of them gets the list."""
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert expected in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("error", "told", "exit_code"),
    [
        (UsageError("no such day", hint="write it as 2026-11-22"), "no such day\n  write it", 2),
        (DataError("t.csv:7: cut off"), "t.csv:7: cut off\n", 2),
        (UnknownName("GPU", "h10", ["h100", "b200"]), "unknown GPU 'h10'\n  did you mean 'h100'?", 2),
        (
            ConfigError("b.yaml", 3, "listen", "no port", hint="add one"),
            "b.yaml:3: listen: no port\n  add",
            2,
        ),
        (EnvironmentProblem("port 4000 is taken", hint="choose another"), "port 4000 is taken\n  choose", 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseloadError) else "",
)
def test_our_errors_end_a_command_with_their_own_exit_code(
    error: BaseloadError,
    told: str,
    exit_code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Message and what to do next on standard error, nothing on standard output, no traceback."""

    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr("baseload.cli.cli", failing)
    monkeypatch.setattr(sys, "argv", ["baseload"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (exit_code, "")
    assert printed.err.startswith(f"error: {told}")
