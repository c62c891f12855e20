"""How much to think, as chat completions say it: OpenAI's own word, and what compatible servers take."""

from __future__ import annotations

from collections.abc import Callable

from baseload.wire.dialects.nouns import Dialect, Json, Own, Prompt, Reasoning
from baseload.wire.dialects.rest import Rest, spelt
from baseload.wire.dialects.thinking import fitted

_CHAT = Dialect.CHAT


def read_reasoning(rest: Rest) -> Reasoning | None:
    """How much to think: OpenAI's own word, else what compatible servers take.

    `thinking` is that of Anthropic's, DeepSeek's and Z.AI's OpenAI-compatible endpoints, `reasoning`
    OpenRouter's, `chat_template_kwargs.enable_thinking` vLLM's and SGLang's.
    """
    if (effort := rest.take("reasoning_effort", str)) is not None:
        own = Own(_CHAT, {}, {"effort": effort})
        return Reasoning(off=True, own=own) if effort == "none" else Reasoning(effort=effort, own=own)
    for name, read in _EXTENSIONS.items():
        value = rest.members.get(name)
        if isinstance(value, dict) and (reasoning := read(held := Rest(value, _CHAT, name))) is not None:
            del rest.members[name]
            reasoning.own = Own(_CHAT, held.members, {name: value})
            return reasoning
    return None


def extension(own: Own | None) -> str | None:
    """The member of a compatible server that it came as; None for OpenAI's own word, or another dialect's."""
    return next((name for name in _EXTENSIONS if spelt(own, _CHAT, name) is not None), None)


def _thinking(held: Rest) -> Reasoning:
    word = held.need("type", str)
    budget = held.take("budget_tokens", int)
    return Reasoning(budget=budget, off=word == "disabled", dynamic=budget is None and word != "disabled")


def _thinking_at_openrouter(held: Rest) -> Reasoning:
    effort, budget = held.take("effort", str), held.take("max_tokens", int)
    off = effort == "none" or held.take("enabled", bool) is False
    if (hidden := held.take("exclude", bool)) is not None:
        hidden = not hidden
    effort = None if off else effort
    dynamic = not off and effort is None and budget is None
    return Reasoning(effort=effort, budget=budget, off=off, dynamic=dynamic, shown=hidden)


def written_reasoning(prompt: Prompt) -> Json:
    """The members of a request that say how much to think: as they came in this dialect, or OpenAI's word."""
    own = prompt.reasoning.own if prompt.reasoning is not None else None
    if (name := extension(own)) is not None:
        return {name: spelt(own, _CHAT, name)}
    effort = effort_of(prompt, _CHAT)
    return {} if effort is None else {"reasoning_effort": effort}


def _thinking_in_template(held: Rest) -> Reasoning | None:
    thinks = held.take("enable_thinking", bool)
    return None if thinks is None else Reasoning(off=not thinks, dynamic=thinks)


_EXTENSIONS: dict[str, Callable[[Rest], Reasoning | None]] = {
    "thinking": _thinking,
    "reasoning": _thinking_at_openrouter,
    "chat_template_kwargs": _thinking_in_template,
}


def effort_of(prompt: Prompt, dialect: Dialect) -> str | None:
    """The effort in OpenAI's words: as it came in the same dialect, else the nearest that the model knows."""
    reasoning = prompt.reasoning
    if reasoning is None:
        return None
    if reasoning.own is not None and reasoning.own.dialect is dialect:
        return "none" if reasoning.off else reasoning.effort
    wish = fitted(prompt, dialect)
    return "none" if wish.off else wish.word
