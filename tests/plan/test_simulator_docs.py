"""docs/simulator.md shows what really comes out."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from baseload.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_says() -> None:
    """The Python example runs and its output is the block below it."""
    found = re.search(r"```python\n(.*?)```\n```\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(found.group(1), "docs/simulator.md", "exec"), {})
    assert printed.getvalue() == found.group(2)


def test_the_replay_answers_as_the_page_says(shared: Path) -> None:
    """The shown command prints the shown sentence, on the trace it names."""
    found = re.search(r"^\$ baseload (replay .*)\n(After: .*)$", PAGE, re.MULTILINE)
    assert found is not None
    arguments = shlex.split(found.group(1))
    arguments[1] = str(shared / "data/traces/azure2023" / arguments[1])
    arguments[arguments.index("--config") + 1] = str(ROOT / "examples" / "baseload.yaml")
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert " ".join(result.stdout.split("\n\n")[0].split()) == found.group(2)
