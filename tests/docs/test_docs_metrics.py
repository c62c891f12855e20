"""docs/metrics.md holds every metric with its labels."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

from baseload.gateway.metrics import METRICS
from tests.docs.pages import plain, rows
from tests.gateway.running import RunningGateway

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text."""
    return (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def scraped(gateway: RunningGateway) -> dict[str, set[str]]:
    """The labels of every metric as a running gateway shows them; a histogram's bounds are left out."""
    found: dict[str, set[str]] = {}
    for line in httpx2.get(f"{gateway.control}/metrics", trust_env=False).text.splitlines():
        if not line.startswith("#"):
            name = re.sub(r"_(bucket|sum|count)$", "", re.split(r"[{ ]", line)[0])
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', line))
    return {name: labels - {"le"} for name, labels in found.items()}


def test_every_metric_is_a_row_and_every_row_a_metric(page: str) -> None:
    """Name, type and meaning are those of the code."""
    assert [(plain(row[0]), row[1], row[3]) for row in rows(page, "metric | type | labels | meaning")] == [
        (name, kind, about) for name, (kind, about) in METRICS.items()
    ]


def test_the_labels_are_those_of_a_running_gateway(page: str, scraped: dict[str, set[str]]) -> None:
    """Every metric shows up with the labels the page says, and every label is explained."""
    said = {
        plain(row[0]): set(re.findall(r"`(\w+)`", row[2]))
        for row in rows(page, "metric | type | labels | meaning")
    }
    assert said == scraped
    explained = {plain(row[0]) for row in rows(page, "label | values")}
    assert explained == set().union(*said.values())


def test_alarms_name_metrics_and_labels_there_are(page: str) -> None:
    """An alarm on a metric that does not exist would never fire."""
    alarms = " ".join(row[0] for row in rows(page, "alarm | what it means"))
    named = {re.sub(r"_bucket$", "", name) for name in re.findall(r"baseload_\w+", alarms)}
    assert named <= set(METRICS)
    assert named
