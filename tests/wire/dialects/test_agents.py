"""What agents send today reaches every format but where it truly cannot; all fields of the SDKs are shown."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import anthropic.types.beta.message_create_params as anthropic_params
import openai.types.chat.completion_create_params as openai_params
import pytest

from baseload.errors import RequestError
from baseload.wire.dialects.crossing import Crossing, cross
from baseload.wire.dialects.nouns import Dialect
from tests.wire.dialects.examples import Example, examples

MODELS = {
    Dialect.CHAT: ("qwen3-coder", "gpt-5.2"),
    Dialect.RESPONSES: ("gpt-5.2",),
    Dialect.MESSAGES: ("claude-sonnet-4-5", "claude-opus-4-8"),
    Dialect.GEMINI: ("gemini-2.5-pro", "gemini-3-flash-preview"),
    Dialect.CONVERSE: ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.nova-pro-v1:0"),
}
"""Models of each format that agents may be sent to: an owned one and an old one among them."""
AGENTS = [one for one in examples("request") if one.name.startswith("agent_")]
IMPOSSIBLE = {
    "responses/agent_codex_search": {
        Dialect.CHAT: "tools.web_search.external_web_access",
        Dialect.MESSAGES: "tools.web_search.external_web_access",
        Dialect.GEMINI: "tools.web_search.external_web_access",
        Dialect.CONVERSE: "tools.web_search",
    },
    "responses/agent_codex_patch": dict.fromkeys(Dialect, "tools of type custom"),
}
"""What cannot be said elsewhere: a search in the provider's own index; calls whose text a grammar shapes."""
CROSSINGS = [
    (agent, target, model)
    for agent in AGENTS
    for target, models in MODELS.items()
    for model in models
    if target is not agent.dialect
]


def crossed(example: Example, target: Dialect, model: str) -> Crossing:
    """The example's request for a target."""
    body = json.dumps(example.held["request"]).encode()
    return cross(body, example.dialect, target, asked=example.held.get("model", "m"), model=model)


@pytest.mark.parametrize(("agent", "target", "model"), CROSSINGS, ids=str)
def test_an_agents_request_reaches_every_format(agent: Example, target: Dialect, model: str) -> None:
    """Claude Code, Codex, Vercel's AI SDK, LangChain, the providers' own: translated, or truly impossible."""
    impossible = IMPOSSIBLE.get(str(agent), {}).get(target)
    if impossible is not None:
        with pytest.raises(RequestError) as refused:
            crossed(agent, target, model)
        assert refused.value.param == impossible
        return
    assert json.loads(crossed(agent, target, model).body)


def test_every_agent_is_here() -> None:
    """The kinds that are promised above, so that the test above cannot shrink."""
    kinds = {agent.name.split("_")[1] for agent in AGENTS}
    assert kinds == {"claude", "codex", "vercel", "langchain", "openai", "genai", "strands"}


def test_plain_requests_are_told_of_nothing() -> None:
    """A request that fits as it is comes back without a header."""
    quiet = {
        "chat/agent_vercel": (Dialect.MESSAGES, Dialect.CONVERSE),
        "messages/agent_langchain_anthropic": (Dialect.CHAT, Dialect.CONVERSE),
    }
    for agent in AGENTS:
        for target in quiet.get(str(agent), ()):
            assert crossed(agent, target, MODELS[target][0]).headers() == b"", (agent, target)


def members(hints: dict[str, Any]) -> set[str]:
    """The body's members of an SDK's parameters: headers and the stream's own classes left out."""
    return set(hints) - {"betas"}


@pytest.mark.parametrize(
    ("dialect", "params"),
    [
        (Dialect.CHAT, openai_params.CompletionCreateParamsBase),
        (Dialect.MESSAGES, anthropic_params.MessageCreateParamsBase),
    ],
)
def test_every_member_of_the_sdks_requests_is_in_an_example(dialect: Dialect, params: type) -> None:
    """What OpenAI's and Anthropic's own types let a client send is read, written and crossed in examples."""
    known = members(get_type_hints(params))
    assert len(known) > 20
    shown = {name for one in examples("request") if one.dialect is dialect for name in one.held["request"]}
    assert known - shown == set()


def words(kind: Any) -> set[str]:
    """The words of a literal type, however deep."""
    found: set[str] = set()
    for one in get_args(kind):
        found |= {one} if isinstance(one, str) else words(one)
    return found


def test_every_effort_of_the_sdks_has_an_example() -> None:
    """A new word for how much is thought is noticed here."""
    asked = words(get_type_hints(openai_params.CompletionCreateParamsBase)["reasoning_effort"])
    assert asked == {
        one.held["request"]["reasoning_effort"]
        for one in examples("request")
        if one.dialect is Dialect.CHAT and one.name.startswith("effort_")
    }
