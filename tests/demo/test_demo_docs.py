"""docs/demo.md names the options there are, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from baseload.cli.demo import command
from baseload.demo.configuration import SLO_TTFT_S, USD_PER_HOUR
from baseload.demo.load import MEAN_SATURATION, MOST_INPUT_TOKENS, MOST_OUTPUT_TOKENS, SURGE_SERVICES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "demo.md").read_text()


def test_options_are_those_of_the_command() -> None:
    """Every option is in the table and every one in the table exists."""
    written = set(re.findall(r"^\| `(--[a-z-]+)`", PAGE, re.MULTILINE))
    assert {option.opts[0] for option in command.params} == written


def test_its_figures_are_the_demos_own() -> None:
    """Promise, price, caps and load are stated as the code has them."""
    text = " ".join(PAGE.split())
    assert f"a promise of {SLO_TTFT_S:g} s to the first token" in text
    assert f"assumed ${USD_PER_HOUR} an hour" in text
    assert f"{MOST_INPUT_TOKENS} tokens in and {MOST_OUTPUT_TOKENS} out" in text
    assert f"loads the engine to {MEAN_SATURATION:g} of what" in text
    assert f"{SURGE_SERVICES} more like it" in text
