"""docs/twin.md says what the code does: names compared both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baseload.core import StepTime
from baseload.twin.faults import KINDS, WHEN, Stage
from baseload.twin.openai import FAULT_HEADER, OUTPUT_HEADER, Endpoint
from baseload.twin.served import Outcome, Served
from baseload.twin.server import CONTROL, TwinConfig, start

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "twin.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """Cells of the table under the header row, without backticks."""
    table = PAGE.split(f"| {header} |", 1)[1].split("\n\n", 1)[0]
    lines = table.splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_the_fault_table_is_the_codes() -> None:
    """Every kind with its meaning and fields, and no other."""
    assert rows("kind | meaning | fields") == [
        [kind.value, info.meaning.replace("`", ""), ", ".join(info.fields) or "none"]
        for kind, info in KINDS.items()
    ]
    assert rows("field | meaning") == [[name, meaning] for name, meaning in WHEN.items()]
    assert set(re.findall(r"`(\w+)` \(", PAGE.split("Stages of")[1].split("\n")[0])) >= set(Stage)


def test_outcomes_and_fields_of_the_count_are_the_codes() -> None:
    """Every outcome has its row, and every field of a request is named."""
    assert [row[0] for row in rows("outcome | meaning")] == [outcome.value for outcome in Outcome]
    sentence = PAGE.split("A request has ")[1].split("\n")[0]
    named = set(re.findall(r"`(\w+)`", sentence))
    assert set(Served.__struct_fields__) == named


def test_routes_and_headers_are_the_codes() -> None:
    """Every route has its row, and both request headers are named."""
    documented = {path for row in rows("route | answer") for path in re.findall(r"/\S+", row[0])}
    assert documented == {*Endpoint, *CONTROL}
    assert f"`{OUTPUT_HEADER}: 37`" in PAGE
    assert f"`{FAULT_HEADER}`" in PAGE


def test_metrics_are_the_codes() -> None:
    """The metrics named are exactly those an engine shows; providers show none."""
    step = StepTime(0.001, 0, 0, 0, kv_tokens=1000, max_sequences=8)
    with start(TwinConfig(step=step)) as running:
        twin = running._twin
        assert twin is not None
        shown = set(re.findall(rb"# TYPE (\S+) ", twin._metrics()))
    assert {name.encode() for name in re.findall(r"`(vllm:\w+)`", PAGE)} == shown


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_run(example: str) -> None:
    """Each Python example of the page runs as it stands."""
    exec(compile(example, "docs/twin.md", "exec"), {})
