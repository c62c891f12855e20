"""docs/keys.md names the options, files and the form of a key that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from baseload.cli.keys import command
from baseload.keys import PEPPER_VARIABLE, KeyStore

DOCS = (Path(__file__).resolve().parent.parent.parent / "docs" / "keys.md").read_text()


def test_every_option_is_documented_and_every_documented_one_exists() -> None:
    """Both ways, command by command."""
    table = re.findall(r"^\| (?:`(\w+)[^|]*)?\s*\| ([^|]*`--[^|]*)\|", DOCS, re.MULTILINE)
    documented: dict[str, set[str]] = {}
    name = ""
    for named, options in table:
        name = named or name
        documented.setdefault(name, set()).update(re.findall(r"`(--[a-z-]+)`", options))
    real = {
        name: {
            option for parameter in subcommand.params for option in parameter.opts if option.startswith("--")
        }
        for name, subcommand in command.commands.items()
    }
    assert documented == real


def test_every_file_and_variable_is_documented(tmp_path: Path) -> None:
    """What a key store leaves on disk is said, and where the pepper may be instead."""
    text, _ = KeyStore(tmp_path, {}).create("shop")
    assert [file.name for file in tmp_path.iterdir() if f"| `{file.name}` |" not in DOCS] == []
    assert {PEPPER_VARIABLE, f"{PEPPER_VARIABLE}_FILE"} == set(re.findall(r"BASELOAD_\w+", DOCS))
    [form] = re.findall(r"`(bl_\[.*)`\.", DOCS)
    assert re.fullmatch(form, text)
