"""docs/importing.md says of every key what the code does with it."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from baseload.cli import cli
from baseload.config import parse
from baseload.config.importing import GATEWAYS
from tests.docs.pages import plain, rows

ROOT = Path(__file__).resolve().parents[2]
TESTS = [
    *(ROOT / "tests" / "config" / "importing").glob("test_*.py"),
    *ROOT.glob("tests/gateway/test_imp*.py"),
]


def load_script() -> ModuleType:
    """scripts/make_import_docs.py as a module."""
    path = ROOT / "scripts" / "make_import_docs.py"
    spec = importlib.util.spec_from_file_location("make_import_docs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(docs: Path) -> str:
    """The page."""
    return (docs / "importing.md").read_text(encoding="utf-8")


def test_the_tables_are_the_rules(docs: Path) -> None:
    """Every key and no other; if not: python scripts/make_import_docs.py."""
    assert page(docs) == load_script().renewed(page(docs))


def test_every_gateway_has_its_words(docs: Path) -> None:
    """The table of words is what the command takes."""
    assert [plain(row[0]) for row in rows(page(docs), "word")] == list(GATEWAYS)


def test_every_promise_has_its_test(docs: Path) -> None:
    """Each named test is there."""
    text = "".join(path.read_text(encoding="utf-8") for path in TESTS)
    promised = [name for row in rows(page(docs), "promise") for name in re.findall(r"`(test_\w+)`", row[1])]
    assert len(promised) >= 10
    assert [name for name in promised if f"def {name}(" not in text] == []


def test_the_example_is_what_is_printed(docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line up to its `…`, in this order, for the small example of the tests."""
    example = ROOT / "tests" / "config" / "importing" / "examples" / "litellm" / "small.yaml"
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(example.read_text(encoding="utf-8"))
    [block] = re.findall(r"```console\n\$ (.*?)```", page(docs), re.DOTALL)
    command, *shown = block.splitlines()
    printed = CliRunner().invoke(cli, shlex.split(command)[1:]).output.splitlines()
    begun = [line.partition("…")[0].rstrip() for line in shown]
    found = [
        next((i for i, line in enumerate(printed) if line.startswith(text)), -1) for text in begun if text
    ]
    assert -1 not in found
    assert found == sorted(found)


def test_the_keys_of_json_are_named(docs: Path) -> None:
    """All of them, those of the lists in brackets."""
    example = ROOT / "tests" / "config" / "importing" / "examples" / "litellm" / "small.yaml"
    result = CliRunner().invoke(cli, ["config", "import", "litellm", str(example), "--json"])
    facts = json.loads(result.output)
    named = set(re.findall(r"`(\w+)`", page(docs).partition("`--json` prints")[2].partition("\n\n")[0]))
    inner = {key for name in ("carried", "not_carried", "variables") for key in facts[name][0]}
    assert named == {*facts, *inner}


@pytest.mark.parametrize("word", ["litellm", "portkey", "kong", "openrouter"])
def test_each_gateway_is_shown_as_a_target(docs: Path, word: str, tmp_path: Path) -> None:
    """The example of the page loads, and has a target at each gateway in OpenAI's format."""
    [example] = re.findall(r"```yaml\n(.*?)```", page(docs), re.DOTALL)
    env = {"LITELLM_KEY": "a", "PORTKEY_API_KEY": "b", "OPENROUTER_API_KEY": "c"}
    config = parse(example, "baseload.yaml", tmp_path, env)
    target = config.targets[f"by-{word}"]
    assert target.metered is not None
    assert target.metered.provider == word
    assert target.format in (None, "openai")
