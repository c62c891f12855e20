"""docs/capacity.md shows what really comes out."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from baseload.capacity.steptime import step_time
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.errors import UsageError

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
