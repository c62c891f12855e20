"""What of a responses request no other dialect can carry, and the tools that providers run themselves."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
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
        crossed({"tools": [{"type": "web_search", "filters": {"allowed_domains": ["a.test"]}}]}, Dialect.CHAT)
    assert refused.value.param == "tools.web_search.filters.allowed_domains"
    with pytest.raises(RequestError) as refused:
        crossed({"tools": [{"type": "web_search", "filters": {"blocked_domains": ["a.test"]}}]}, Dialect.CHAT)
    assert refused.value.param == "tools.web_search.filters"
    size = {"tools": [{"type": "web_search", "search_context_size": "low"}]}
    assert crossed(size, Dialect.GEMINI)["tools"] == [{"googleSearch": {}}]


def test_code_execution_is_refused_where_there_is_none() -> None:
    """Anthropic runs code, chat completions do not."""
    code = {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}
    assert crossed(code, Dialect.MESSAGES)["tools"][0]["name"] == "code_execution"
    with pytest.raises(RequestError) as refused:
        crossed(code, Dialect.CHAT)
    assert refused.value.param == "tools.code_interpreter"


def test_a_call_under_the_users_role_is_an_item_all_the_same() -> None:
    """Google's contents may name no role: a call there crosses as one, beside what the user says."""
    body = {
        "contents": [
            {"parts": [{"text": "Tides?"}]},
            {"parts": [{"functionCall": {"name": "tide", "args": {}, "id": "c1"}}]},
            {"parts": [{"functionResponse": {"name": "tide", "id": "c1", "response": {}}}]},
        ]
    }
    written = SPEAKERS[Dialect.RESPONSES].write_request(SPEAKERS[Dialect.GEMINI].read_request(body))
    kinds = [item.get("type", item.get("role")) for item in written["input"]]
    assert kinds == ["user", "function_call", "function_call_output"]


def test_log_probabilities_that_are_no_objects_are_left_out() -> None:
    """A target that sends junk among its log probabilities spoils these alone, in every dialect."""
    answer = {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Six."},
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": "Six.", "logprob": -0.1, "top_logprobs": [0]}, 0, None]},
            }
        ]
    }
    for dialect, speaker in SPEAKERS.items():
        written = speaker.write_reply(SPEAKERS[Dialect.CHAT].read_reply(copy.deepcopy(answer)))
        assert "Six." in msgspec.json.encode(written).decode(), dialect
