"""docs/http.md says what the port does."""

from __future__ import annotations

from baseload.config.schema import HttpSection
from baseload.gateway.server import PortLimits
from tests.gateway.http.page import LIMITS, PAGE, renewed


def test_page_is_the_table() -> None:
    """The page's tables are those of the cases that are run and of the limits' defaults."""
    text = PAGE.read_text()
    assert renewed(text) == text


def test_every_limit_is_described() -> None:
    """Every key of `http` in the configuration is on the page, and every limit of the port but the comments'
    pace, which is no limit."""
    assert {key for key, _, _ in LIMITS.values()} == set(HttpSection.model_fields)
    assert set(LIMITS) == set(PortLimits.__struct_fields__) - {"comment_s"}
