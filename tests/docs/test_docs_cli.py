"""docs/cli.md says what the commands say, and their examples can be run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import click
import pytest

from baseload.cli import cli

ROOT = Path(__file__).resolve().parents[2]


def load_script() -> ModuleType:
    """scripts/make_reference_docs.py as a module."""
    path = ROOT / "scripts" / "make_reference_docs.py"
    spec = importlib.util.spec_from_file_location("make_reference_docs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = load_script()
COMMANDS: dict[str, click.Command] = dict(SCRIPT.commands(cli))
EXAMPLES: list[str] = [line for command in COMMANDS.values() for line in SCRIPT.examples(command)]


def test_the_page_is_the_commands(docs: Path) -> None:
    """Every command and option, and no other; if not: python scripts/make_reference_docs.py."""
    assert (docs / "cli.md").read_text(encoding="utf-8") == SCRIPT.cli_page()


def test_the_diagram_of_attempts_is_the_table(docs: Path) -> None:
    """docs/gateway.md draws `TRANSITIONS` as it is."""
    assert f"```mermaid\n{SCRIPT.attempt_diagram()}\n```" in (docs / "gateway.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example(name: str) -> None:
    """`--help` shows how it is used."""
    assert SCRIPT.examples(COMMANDS[name])


def shown_commands() -> list[str]:
    """Every `$ baseload …` of every page, continued lines joined; `SAME` and the like stand for more."""
    found = []
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        found += re.findall(r"^\$ (baseload .*)$", text, re.MULTILINE)
    return sorted({*found, *(line for line in EXAMPLES if line.startswith("baseload "))})


@pytest.mark.parametrize("example", shown_commands())
def test_the_examples_are_understood(example: str) -> None:
    """Commands and options of every example exist and take these values; files may be missing here."""
    words = shlex.split(re.split(r" [>|&]| #", example)[0])[1:]
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command = found
    wrong = ""
    try:
        command.make_context("baseload", words)
    except click.BadParameter as error:
        wrong = error.message
    assert not wrong or "does not exist" in wrong
