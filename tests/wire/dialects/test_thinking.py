"""What a wish for thinking becomes at each model: never what its provider is known to refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.wire.dialects import judging
from baseload.wire.dialects.nouns import (
    Dialect,
    Json,
    Prompt,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolChoice,
    ToolUse,
    Turn,
)
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.dialects.thinking import ORDER, fitted, thinks

CHAT, RESPONSES, MESSAGES = Dialect.CHAT, Dialect.RESPONSES, Dialect.MESSAGES
GEMINI, CONVERSE = Dialect.GEMINI, Dialect.CONVERSE
MODELS = {
    CHAT: ("qwen3-coder", "gpt-oss-120b", "gpt-5.2", "gpt-5", "gpt-5.1", "gpt-4.1", "o4-mini", "gpt-5-codex"),
    RESPONSES: ("gpt-5.2", "gpt-5-mini", "gpt-4o"),
    MESSAGES: (
        "claude-3-5-haiku-20241022",
        "claude-3-7-sonnet-20250219",
        "claude-opus-4-1",
        "claude-haiku-4-5-20251001",
        "claude-sonnet-4-6",
        "claude-opus-4-8",
        "claude-sonnet-5",
        "kimi-k2",
    ),
    GEMINI: (
        "gemini-2.0-flash",
        "gemini-2.5-pro",
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-3-pro-preview",
        "gemini-3-flash-preview",
        "gemini-3.1-pro-preview",
        "gemini-flash-latest",
        "gemma-3-27b",
    ),
    CONVERSE: (
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "eu.anthropic.claude-opus-4-8-v1",
        "amazon.nova-pro-v1:0",
        "openai.gpt-oss-120b-1:0",
        "meta.llama3-3-70b-instruct-v1:0",
    ),
}


def asked(model: str, reasoning: Reasoning, **fields: Any) -> Prompt:
    """A request that wishes for thinking."""
    prompt = Prompt(model, [Turn(Role.USER, [Text("When?")])], reasoning=reasoning)
    for name, value in fields.items():
        setattr(prompt, name, value)
    return prompt


def written(source: Dialect, target: Dialect, prompt: Prompt) -> tuple[Json, set[str]]:
    """What the target is sent, and the rows that were told as approximated."""
    judged = judging.judge(prompt, source, target)
    return SPEAKERS[target].write_request(prompt), judged.fields


ADAPTIVE = {"type": "adaptive"}


@pytest.mark.parametrize(
    ("target", "model", "reasoning", "sent", "told"),
    [
        (GEMINI, "gemini-2.5-pro", Reasoning("low"), {"thinkingBudget": 2048}, "effort"),
        (GEMINI, "gemini-2.5-pro", Reasoning(off=True), {"thinkingBudget": 128}, "thinking_off"),
        (GEMINI, "gemini-2.5-flash", Reasoning(off=True), {"thinkingBudget": 0}, ""),
        (GEMINI, "gemini-2.5-flash", Reasoning(budget=31999), {"thinkingBudget": 24576}, "thinking_budget"),
        (GEMINI, "gemini-2.5-flash", Reasoning(budget=9000), {"thinkingBudget": 9000}, ""),
        (GEMINI, "gemini-2.5-flash-lite", Reasoning(dynamic=True), {"thinkingBudget": -1}, ""),
        (GEMINI, "gemini-3-pro-preview", Reasoning("low"), {"thinkingLevel": "LOW"}, ""),
        (GEMINI, "gemini-3-pro-preview", Reasoning("medium"), {"thinkingLevel": "HIGH"}, "effort"),
        (GEMINI, "gemini-3-pro-preview", Reasoning(off=True), {"thinkingLevel": "LOW"}, "thinking_off"),
        (GEMINI, "gemini-3-pro-preview", Reasoning(budget=2000), {"thinkingLevel": "LOW"}, "thinking_budget"),
        (GEMINI, "gemini-3-flash-preview", Reasoning(off=True), {"thinkingLevel": "MINIMAL"}, "thinking_off"),
        (GEMINI, "gemini-3-flash-preview", Reasoning(dynamic=True), None, ""),
        (GEMINI, "gemini-2.0-flash", Reasoning("low"), None, "effort"),
        (GEMINI, "gemini-2.0-flash", Reasoning(off=True), None, ""),
        (
            MESSAGES,
            "claude-haiku-4-5",
            Reasoning("low"),
            {"type": "enabled", "budget_tokens": 2048},
            "effort",
        ),
        (MESSAGES, "claude-sonnet-4-6", Reasoning("low"), ADAPTIVE, ""),
        (MESSAGES, "claude-sonnet-4-6", Reasoning("minimal"), ADAPTIVE, "effort"),
        (MESSAGES, "claude-opus-4-8", Reasoning(budget=5000), ADAPTIVE, "thinking_budget"),
        (MESSAGES, "claude-opus-4-8", Reasoning(off=True), {"type": "disabled"}, ""),
        (MESSAGES, "claude-3-5-haiku-20241022", Reasoning("high"), None, "effort"),
        (MESSAGES, "kimi-k2", Reasoning("high"), None, "effort"),
        (MESSAGES, "kimi-k2", Reasoning(off=True), None, "thinking_off"),
        (CHAT, "gpt-5", Reasoning(off=True), "minimal", "thinking_off"),
        (CHAT, "gpt-5.2", Reasoning(off=True), "none", ""),
        (CHAT, "qwen3-coder", Reasoning("max"), "high", "effort"),
        (CHAT, "qwen3-coder", Reasoning(dynamic=True), None, "thinking_dynamic"),
        (CHAT, "gpt-4.1", Reasoning("high"), None, "effort"),
        (RESPONSES, "gpt-5.2", Reasoning(budget=8000), "medium", "thinking_budget"),
    ],
)
def test_a_wish_becomes_what_the_model_takes(
    target: Dialect, model: str, reasoning: Reasoning, sent: object, told: str
) -> None:
    """The word or budget that the model knows, told in the header only where it is another one."""
    source = CONVERSE if target is not CONVERSE else CHAT
    body, fields = written(source, target, asked(model, reasoning, max_output=30000))
    found = {
        GEMINI: body.get("generationConfig", {}).get("thinkingConfig"),
        MESSAGES: body.get("thinking"),
        CHAT: body.get("reasoning_effort"),
        RESPONSES: body.get("reasoning", {}).get("effort"),
    }
    assert found[target] == sent
    rows = {"effort", "thinking_budget", "thinking_dynamic", "thinking_off"}
    assert fields & rows == ({told} if told else set())


WISHES = st.one_of(
    st.builds(Reasoning, effort=st.sampled_from(ORDER)),
    st.builds(Reasoning, budget=st.integers(1, 200_000)),
    st.builds(Reasoning, off=st.just(True)),
    st.builds(Reasoning, dynamic=st.just(True), effort=st.none() | st.sampled_from(ORDER)),
)
TARGETS = st.sampled_from([(target, model) for target, models in MODELS.items() for model in models])


@given(
    TARGETS,
    WISHES,
    st.none() | st.integers(1, 40_000),
    st.none() | st.floats(0, 2),
    st.none() | st.floats(0, 1),
    st.sampled_from([None, *ToolUse]),
)
def test_no_model_is_sent_what_its_provider_refuses(
    place: tuple[Dialect, str],
    reasoning: Reasoning,
    most: int | None,
    temperature: float | None,
    top_p: float | None,
    use: ToolUse | None,
) -> None:
    """Budgets in their limits, words that are known; a Claude that thinks is not sampled nor made to call."""
    target, model = place
    choice = None if use is None else ToolChoice(use, "tide" if use is ToolUse.NAMED else None)
    prompt = asked(
        model, reasoning, max_output=most, temperature=temperature, top_p=top_p, tool_choice=choice
    )
    prompt.tools = [Tool("tide")]
    body, _ = written(CHAT if target is not CHAT else GEMINI, target, prompt)
    can = thinks(model, target)
    if target is GEMINI:
        _check_gemini(body.get("generationConfig", {}).get("thinkingConfig", {}), model)
    elif target in (CHAT, RESPONSES):
        word = body.get("reasoning_effort") or body.get("reasoning", {}).get("effort")
        assert word in (None, *can.words) or (word == "none" and can.stops)
        assert can.sampled or "temperature" not in body
    elif "claude" in model:
        more = body.get("additionalModelRequestFields", {}) if target is CONVERSE else body
        limits = body.get("inferenceConfig", {}) if target is CONVERSE else body
        _check_claude(more, limits, model, forced=use in (ToolUse.ANY, ToolUse.NAMED))


def _check_gemini(config: Json, model: str) -> None:
    budget, level = config.get("thinkingBudget"), config.get("thinkingLevel")
    assert budget is None or level is None
    if "2.5" in model:
        assert level is None
        least, most = thinks(model, GEMINI).budget or (0, 0)
        assert budget in (None, -1) or least <= budget <= most or (budget == 0 and "pro" not in model)
    elif "gemini-3" in model or "latest" in model:
        assert budget is None
    else:
        assert level is None
        assert budget is None


def _check_claude(more: Json, limits: Json, model: str, *, forced: bool) -> None:
    thinking = more.get("thinking", {})
    most = limits.get("max_tokens", limits.get("maxTokens"))
    can = thinks(model, MESSAGES)
    on = thinking.get("type") in ("enabled", "adaptive")
    assert not (on and forced)
    assert not (on and {"temperature", "top_k"} & {*limits, *more})
    assert can.sampled or not {"temperature", "top_p", "topP", "top_k"} & {*limits, *more}
    assert can.both or not {"temperature"} <= {*limits} or not {"top_p", "topP"} & {*limits}
    if thinking.get("type") == "enabled":
        assert can.budget is not None
        assert thinking["budget_tokens"] >= 1024
        assert most is None or thinking["budget_tokens"] < most
    elif on:
        assert can.adaptive
    effort = more.get("output_config", {}).get("effort")
    assert effort in (None, *can.words)


@given(TARGETS, WISHES)
def test_a_wish_that_fits_is_not_told(place: tuple[Dialect, str], reasoning: Reasoning) -> None:
    """What becomes exactly what was asked for is no approximation; and what is sent is one thing alone."""
    target, model = place
    wish = fitted(asked(model, reasoning), target)
    assert sum((wish.word is not None, wish.budget is not None, wish.off, wish.dynamic)) <= 1
    if wish.exact and wish.word is not None:
        assert wish.word == reasoning.effort
    if wish.exact and wish.budget is not None:
        assert wish.budget == reasoning.budget


def test_a_models_version_is_read_however_it_is_written() -> None:
    """Names of Anthropic, Amazon, Google and routers."""
    adaptive = [
        name
        for name in (
            "claude-opus-4-6",
            "anthropic/claude-4.6-sonnet",
            "us.anthropic.claude-opus-4-7-20260416-v1:0",
            "claude-sonnet-5",
            "claude-opus-4-5@20251101",
            "claude-3-7-sonnet-20250219",
            "claude-opus-4-20250514",
            "anthropic.claude-v2:1",
            "claude-instant",
        )
        if thinks(name, MESSAGES).adaptive
    ]
    assert adaptive == [
        "claude-opus-4-6",
        "anthropic/claude-4.6-sonnet",
        "us.anthropic.claude-opus-4-7-20260416-v1:0",
        "claude-sonnet-5",
    ]
