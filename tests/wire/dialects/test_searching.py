"""Searches of the web and wishes for thinking, as routers and compatible servers take them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.errors import RequestError
from baseload.wire.dialects.crossing import Crossing, cross
from baseload.wire.dialects.nouns import Dialect, Json
from baseload.wire.dialects.rest import Rest
from baseload.wire.dialects.searching import location, take_location

CHAT, RESPONSES, MESSAGES = Dialect.CHAT, Dialect.RESPONSES, Dialect.MESSAGES
GEMINI, CONVERSE = Dialect.GEMINI, Dialect.CONVERSE
MODELS = {
    RESPONSES: "gpt-5.2",
    MESSAGES: "claude-sonnet-4-5",
    GEMINI: "gemini-2.5-flash",
    CONVERSE: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
PLACE: Json = {"city": "Husum", "country": "DE"}
OPTIONS: Json = {
    "max_uses": 2,
    "search_context_size": "low",
    "allowed_domains": ["a.example"],
    "user_location": {"type": "approximate", **PLACE},
}


def crossed(target: Dialect, *, drop: bool = False, **fields: Any) -> Crossing:
    """A chat client's request of these members, crossed."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 9000}
    return cross(json.dumps(body | fields).encode(), CHAT, target, asked="m", model=MODELS[target], drop=drop)


def router(parameters: Json) -> list[Json]:
    """The tools of a request that has a router search."""
    return [{"type": "openrouter:web_search", "parameters": parameters}]


def test_a_routers_search_is_anthropics() -> None:
    """Bounds, domains and place are told in Anthropic's names; that the amount is not is said."""
    crossing = crossed(MESSAGES, tools=router(OPTIONS))
    searching: Json = {"type": "web_search_20250305", "name": "web_search"}
    searching |= {name: value for name, value in OPTIONS.items() if name != "search_context_size"}
    assert json.loads(crossing.body)["tools"] == [searching]
    assert crossing.judged.approximated == [
        "tools.parameters.search_context_size: the target searches as much as it does by itself"
    ]


def test_a_routers_search_is_openais() -> None:
    """Domains stand in `filters`; how often it searches is left to the target, and that is said."""
    crossing = crossed(RESPONSES, tools=router(OPTIONS))
    assert json.loads(crossing.body)["tools"] == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.example"]},
            "user_location": OPTIONS["user_location"],
        }
    ]
    assert [one.partition(":")[0] for one in crossing.judged.approximated] == [
        "tools.parameters.max_uses",
        "tools.parameters.search_context_size",
    ]


@pytest.mark.parametrize(
    ("target", "parameters", "param"),
    [
        (GEMINI, {"allowed_domains": ["a.example"]}, "tools.parameters.allowed_domains"),
        (GEMINI, {"excluded_domains": ["a.example"]}, "tools.parameters.excluded_domains"),
        (RESPONSES, {"excluded_domains": ["a.example"]}, "tools.parameters.excluded_domains"),
        (MESSAGES, {"engine": "exa"}, "tools.parameters.engine"),
        (CONVERSE, {}, "tools of type openrouter:web_search"),
    ],
)
def test_what_restricts_a_search_is_never_lost(target: Dialect, parameters: Json, param: str) -> None:
    """Domains that a target cannot be held to are refused by the client's name; dropped only where wanted."""
    with pytest.raises(RequestError) as refused:
        crossed(target, tools=router(parameters))
    assert refused.value.param == param
    assert crossed(target, tools=router(parameters), drop=True).judged.dropped[0] == param


def test_dropped_domains_are_not_sent() -> None:
    """With `drop`, the search goes without them, and the place stays where the target takes it."""
    crossing = crossed(RESPONSES, tools=router({"excluded_domains": ["a.example"]} | OPTIONS), drop=True)
    sent = json.loads(crossing.body)["tools"][0]
    assert sent["filters"] == {"allowed_domains": ["a.example"]}
    assert sent["user_location"] == {"type": "approximate", **PLACE}
    assert (
        "a.example"
        not in crossed(GEMINI, tools=router({"allowed_domains": ["a.example"]}), drop=True).body.decode()
    )


def test_where_the_user_is_crosses() -> None:
    """Chat holds the place an object deeper than responses and messages do."""
    told = {"user_location": {"type": "approximate", "approximate": PLACE}}
    for target in (RESPONSES, MESSAGES):
        sent = json.loads(crossed(target, web_search_options=told).body)["tools"][0]
        assert sent["user_location"] == {"type": "approximate", **PLACE}


@given(
    place=st.dictionaries(st.sampled_from(["city", "region", "country", "timezone"]), st.text(), min_size=1),
    nested=st.booleans(),
)
def test_a_place_is_read_as_it_is_written(place: Json, nested: bool) -> None:
    """In both forms, and nothing of it is left over."""
    rest = Rest({"user_location": location(place, nested=nested)}, CHAT, "")
    assert take_location(rest, nested=nested) == place
    assert rest.members == {}


@pytest.mark.parametrize(
    "said", ["Husum", {"type": "exact", "city": "Husum"}, {"type": "approximate", "harbour": "Husum"}]
)
def test_a_place_of_another_form_stays_the_dialects_own(said: object) -> None:
    """It is not taken, so that it is refused by name elsewhere and written back as it came."""
    rest = Rest({"user_location": said}, CHAT, "")
    assert take_location(rest) is None
    assert rest.members == {"user_location": said}


def test_templates_thinking_is_thinking() -> None:
    """`enable_thinking` is told to Claude; what else a template takes is refused by its name."""
    off = json.loads(crossed(MESSAGES, chat_template_kwargs={"enable_thinking": False}).body)
    assert off["thinking"] == {"type": "disabled"}
    on = json.loads(crossed(MESSAGES, chat_template_kwargs={"enable_thinking": True}).body)
    assert on["thinking"]["type"] == "enabled"
    with pytest.raises(RequestError) as refused:
        crossed(MESSAGES, chat_template_kwargs={"enable_thinking": True, "documents": ["log"]})
    assert refused.value.param == "chat_template_kwargs.documents"


def test_what_thinking_holds_besides_is_named_as_it_came() -> None:
    """Z.AI's keeping of earlier reasoning is its own; an unknown member is refused under `thinking`."""
    kept = crossed(MESSAGES, thinking={"type": "enabled", "clear_thinking": False})
    assert "thinking.clear_thinking: left out" in " ".join(kept.judged.approximated)
    with pytest.raises(RequestError) as refused:
        crossed(MESSAGES, thinking={"type": "enabled", "binding": "tight"})
    assert refused.value.param == "thinking.binding"
