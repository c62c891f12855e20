"""`baseload config`: what an operator sees, and what a script reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from baseload.cli import cli
from baseload.config import InvalidConfig, json_schema
from baseload.config.published import key_rows

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def run(*arguments: str, key: str = "sk-secret-1234") -> Result:
    return CliRunner().invoke(cli, ["config", *arguments], env={"OPENAI_API_KEY": key})


@pytest.fixture
def file(tmp_path: Path, valid_text: str) -> Path:
    """A file whose prices are its own, so that no catalog is asked."""
    path = tmp_path / "baseload.yaml"
    text = valid_text.replace(
        "}\n    model: gpt-4o", ", price: {input: 2.5, output: 10, source: ours}}\n    model: gpt-4o"
    )
    text = text.replace("  shop:", "  clinic: {class: patient}\n  shop:")
    path.write_text(text.replace("any}", "any}\n  patient: {regions: [eu-west], zero_retention: true}"))
    return path


def test_check_says_what_it_understood(file: Path) -> None:
    """Targets with prices and source, models with their promise, who may go where and why not."""
    result = run("check", str(file))
    assert result.exit_code == 0, result.output
    for words in (
        "is valid (version ",
        "gpt-4o: metered, openai, https://api.openai.com/v1, region us; ",
        "per million tokens $2.50 in, $10.00 out (ours)",
        "llama-a: owned, vllm, $8.00 an hour",
        "chat: llama-a, gpt-4o; first token within 1.5 s, then 60 ms a token",
        "patient (regions eu-west, zero retention): no target",
        "not gpt-4o: its region is us",
        "not llama-a: it has no zero-retention agreement",
        "shop: class default",
        "warning: tenants.clinic: no target of model chat may process its data",
    ):
        assert words in result.output
    assert "sk-secret" not in result.output


def test_check_as_json_holds_the_same(file: Path) -> None:
    """A script finds prices as decimals, residency per class, and the warnings."""
    found = json.loads(run("check", str(file), "--json").output)
    assert (
        found["valid"],
        found["targets"]["llama-a"]["side"],
        found["targets"]["llama-a"]["usd_per_hour"],
    ) == (True, "owned", "8")
    expected = {
        "input": "2.5",
        "output": "10",
        "cached_input": None,
        "cache_write": None,
        "cache_write_1h": None,
        "input_audio": None,
        "output_audio": None,
        "cached_audio": None,
        "output_image": None,
        "source": "ours",
        "as_of": "",
    }
    assert expected == found["targets"]["gpt-4o"]["usd_per_million"]
    assert found["classes"]["patient"]["admissible"] == []
    assert sorted(found["classes"]["patient"]["refused"]) == ["gpt-4o", "llama-a"]
    assert found["tenants"] == {"shop": "default", "clinic": "patient", "default": "default"}


def test_check_writes_nothing_beside_the_file(file: Path) -> None:
    """Looking at a file makes no data folder."""
    run("check", str(file))
    assert [file] == list(file.parent.iterdir())


def test_a_refused_file_ends_with_exit_code_2(file: Path) -> None:
    """The problems are the error, as text by the command's frame and as JSON with --json."""
    file.write_text(file.read_text().replace("engine:", "engin:"))
    result = run("check", str(file))
    assert isinstance(result.exception, InvalidConfig)
    assert result.exception.exit_code == 2
    as_json = run("check", str(file), "--json")
    assert as_json.exit_code == 2
    problems = json.loads(as_json.output)["problems"]
    assert [(problem["line"], problem["key"]) for problem in problems] == [
        (4, "targets.llama-a.owned.engin"),
        (4, "targets.llama-a.owned.engine"),
    ]


def test_schema_prints_what_is_published() -> None:
    """`baseload config schema` is the schema, `--table` the keys of the docs."""
    assert json_schema() == json.loads(run("schema").output)
    table = run("schema", "--table").output
    assert [row.key for row in key_rows()] == re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


@pytest.mark.parametrize("name", ["baseload.yaml", "local.yaml"])
def test_the_examples_are_valid(name: str) -> None:
    """They need no more than the one variable they name; catalog prices are found."""
    result = run("check", str(ROOT / "examples" / name), "--json")
    assert result.exit_code == 0, result.output
    targets = json.loads(result.output)["targets"].values()
    assert all(target.get("usd_per_million") or target.get("step_time") for target in targets)


def test_the_example_with_files_is_valid_beside_its_secret(tmp_path: Path) -> None:
    """`${file:…}` is read from beside the file."""
    file = tmp_path / "two.yaml"
    file.write_text((ROOT / "examples" / "two-credentials.yaml").read_text())
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "openai-eu").write_text("sk-eu\n")
    result = run("check", str(file), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["targets"]["openai-eu"]["usd_per_million"]["source"] == "our contract"


def test_the_smallest_file_of_the_docs_is_valid(tmp_path: Path) -> None:
    """docs/config.md shows a file that works as it stands."""
    [smallest] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "config.md").read_text(), re.DOTALL)
    file = tmp_path / "baseload.yaml"
    file.write_text(smallest)
    result = run("check", str(file))
    assert result.exit_code == 0, result.output
