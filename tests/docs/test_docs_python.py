"""docs/python.md: its example runs, its names are the package's."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import baseload
from baseload.plan.question import Question
from tests.docs.pages import plain, rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text."""
    return (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_example_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a file of requests to a report, as it stands."""
    lines = ["ts,prompt_tokens,completion_tokens", *(f"{60 * n},{900 + n},{140 + n % 7}" for n in range(240))]
    (tmp_path / "trace.csv").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "docs/python.md", "exec"), {})
    assert (tmp_path / "plan.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "tokens/day" in capsys.readouterr().out


def test_every_public_name_is_a_row_and_every_row_a_name(page: str) -> None:
    """What `import baseload as bl` offers."""
    named = {re.findall(r"`bl\.(\w+)", row[0])[0] for row in rows(page, "name | what")}
    assert named == set(baseload.__all__) - {"__version__"}


def test_every_field_of_a_question_is_a_row(page: str) -> None:
    """In the order of the code."""
    fields = [field.name for field in dataclasses.fields(Question)]
    assert [plain(row[0]) for row in rows(page, "field | like the option")] == fields
