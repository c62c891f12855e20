"""docs/capacity.md shows what really comes out."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from baseload.capacity.answer import Answer
from baseload.capacity.imports import CSV_COLUMNS
from baseload.capacity.steptime import step_time
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.cli import cli
from baseload.errors import UsageError
from baseload.player.sweep import Measured

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "capacity.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_says() -> None:
    """The Python example runs and its output is the block below it."""
    found = re.search(r"```python\n(.*?)```\n```\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(found.group(1), "docs/capacity.md", "exec"), {})
    assert printed.getvalue() == found.group(2)


def test_the_refusal_reads_as_the_page_says() -> None:
    """The shown refusal is the real one, word for word."""
    with pytest.raises(UsageError) as caught:
        step_time(open_model("llama-3.3-70b"), gpu("h100"), 1, "bf16")
    assert str(caught.value) in PAGE


def test_the_answer_reads_as_the_page_says() -> None:
    """The shown answer is the command's, line for line."""
    command = re.search(r"^\$ baseload (capacity .*--concurrency 64)$", PAGE, re.MULTILINE)
    assert command is not None
    printed = CliRunner().invoke(cli, command.group(1).split()).output
    assert printed.split("\n\n")[0] in PAGE


@pytest.mark.parametrize("kind", [Answer, Measured], ids=["answer", "point"])
def test_every_key_of_the_answers_is_explained(kind: type[Answer] | type[Measured]) -> None:
    """No key of the JSON is missing from the page."""
    missing = [name for name in kind.__struct_fields__ if f"`{name}`" not in PAGE]
    assert missing == []


def test_every_key_of_the_commands_is_explained(tmp_path: Path) -> None:
    """The keys around the answers: of one setup, a search, a table and a calibration."""
    file = tmp_path / "bench.csv"
    lines = [f"{c},{i},{o},100,{10 + c}" for c in (1, 8) for i, o in ((500, 500), (500, 4000), (4000, 500))]
    file.write_text("\n".join((",".join(CSV_COLUMNS), *lines)), encoding="utf-8")
    table = tmp_path / "questions.csv"
    columns = "model_path,system,backend,precision,tp_size,attention_dp_size,moe_tp_size,moe_ep_size,isl,osl"
    setup = "meta-llama/Llama-3.3-70B-Instruct,h100_sxm,vllm,fp8,2,1,1,1,1000,500"
    table.write_text(f"{columns},concurrency\n{setup},16\n", encoding="utf-8")
    pair = ["--model", "llama-3.3-70b", "--gpu", "h100", "--gpus", "2", "--precision", "fp8", "--json"]
    of_a_pair = [[*pair, *more] for more in ([], ["--search"], ["--calibrate", str(file)])]
    for options in (*of_a_pair, ["--table", str(table), "--json"]):
        result = CliRunner().invoke(cli, ["capacity", *options])
        assert result.exit_code == 0, result.output
        assert [key for key in every_key(json.loads(result.output)) if f"`{key}`" not in PAGE] == []


def every_key(value: object) -> set[str]:
    """All keys of nested JSON."""
    if isinstance(value, dict):
        return set(value) | {key for each in value.values() for key in every_key(each)}
    return {key for each in value for key in every_key(each)} if isinstance(value, list) else set()
