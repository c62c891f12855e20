"""What of a responses request no other dialect can carry, and the tools that providers run themselves."""

from __future__ import annotations

from typing import Any

import pytest

from baseload.errors import RequestError
from baseload.wire.dialects import judging
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.dialects.speakers import SPEAKERS

OTHERS = sorted(set(SPEAKERS) - {Dialect.RESPONSES})


def crossed(body: dict[str, Any], target: Dialect) -> dict[str, Any]:
    """The request as the target gets it."""
    prompt = SPEAKERS[Dialect.RESPONSES].read_request({"model": "m", "input": "Hi", **body})
    judging.judge(prompt, Dialect.RESPONSES, target)
    return SPEAKERS[target].write_request(prompt)


@pytest.mark.parametrize("target", OTHERS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("previous_response_id", "resp-0"),
        ("conversation", "conv-1"),
        ("background", True),
        ("prompt", {"id": "pmpt-1"}),
        ("max_tool_calls", 2),
    ],
)
def test_state_of_the_provider_is_refused_by_name(target: Dialect, name: str, value: object) -> None:
    """What the target cannot look up is no request it could answer; that it is stored does no harm."""
    with pytest.raises(RequestError) as refused:
        crossed({name: value}, target)
    assert refused.value.param == name
    assert "store" not in crossed({"store": True}, target)


def test_a_plain_web_search_crosses_and_its_options_are_refused() -> None:
    """Each dialect is asked in its own words; what only one knows of it is named."""
    search = {"tools": [{"type": "web_search"}]}
    assert crossed(search, Dialect.CHAT)["web_search_options"] == {}
    assert crossed(search, Dialect.MESSAGES)["tools"] == [
        {"type": "web_search_20250305", "name": "web_search"}
    ]
    with pytest.raises(RequestError) as refused:
        crossed({"tools": [{"type": "web_search", "search_context_size": "low"}]}, Dialect.MESSAGES)
    assert refused.value.param == "tools.web_search.search_context_size"


def test_code_execution_is_refused_where_there_is_none() -> None:
    """Anthropic runs code, chat completions do not."""
    code = {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}
    assert crossed(code, Dialect.MESSAGES)["tools"][0]["name"] == "code_execution"
    with pytest.raises(RequestError) as refused:
        crossed(code, Dialect.CHAT)
    assert refused.value.param == "tools.code_interpreter"
