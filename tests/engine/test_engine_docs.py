"""docs/engine.md names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from baseload.cli.engine import command
from baseload.engine.app import ROUTES
from baseload.engine.metrics import Metrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "engine.md").read_text()


def table(heading: str) -> str:
    """The first column of the table under a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))


def test_options_are_those_of_the_command() -> None:
    """Every option is in the table and every one in the table exists."""
    assert {option.opts[0] for option in command.params} == set(re.findall(r"--[a-z-]+", table("Options")))


def test_routes_are_those_of_the_server() -> None:
    """Every route is in the table and every one in the table is served."""
    assert set(ROUTES) == set(re.findall(r"/[\w/]+", table("Routes")))


def test_metrics_are_those_of_the_scrape() -> None:
    """Every metric is in the table and every one in the table is exported."""
    exported = set(re.findall(r"# TYPE (\S+)", Metrics("m").text()))
    assert exported == set(re.findall(r"vllm:\w+", table("Metrics")))
