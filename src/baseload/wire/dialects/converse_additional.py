"""Amazon Bedrock Converse: reasoning and top-k, which each model's provider spells in its own way.

AWS has no common field for top-k, and a common one for the effort alone (`outputConfig.effort`). What a model
takes besides stands in `additionalModelRequestFields`: Claude's `thinking` and `output_config`, Nova's
`reasoningConfig`, gpt-oss's `reasoning_effort`. Sources: the user guides of Bedrock
and Nova, read November 2026.
"""

from __future__ import annotations

from baseload.wire.dialects.nouns import Dialect, Json, Own, Prompt, Reasoning, ToolUse
from baseload.wire.dialects.rest import Rest, spelt, wrong
from baseload.wire.dialects.thinking import Fitted, fitted, is_claude

_CONVERSE = Dialect.CONVERSE
_MORE = "additionalModelRequestFields"
CLAUDE, NOVA, GPT = "claude", "nova", "gpt"


def maker_of(model: str) -> str:
    """Whose spelling a model's additional fields have, by its name; "" where only common fields are known."""
    name = model.lower()
    if is_claude(model):
        return CLAUDE
    if "nova" in name:
        return NOVA
    return GPT if "openai." in name or "gpt-oss" in name else ""


class Nested:
    """An object within the body whose known members are taken; what is left stays with the body."""

    def __init__(self, rest: Rest, name: str) -> None:
        value = rest.members.get(name)
        if value is not None and not isinstance(value, dict):
            raise wrong(name, "must be an object")
        self.held = Rest(value or {}, _CONVERSE, name)
        self._rest, self._name, self._there = rest, name, value is not None
        self._size = len(self.held.members)

    def close(self) -> None:
        """Put the rest back; an object that was empty from the start stays."""
        left = self.held.members
        if not self._there:
            return
        if left or not self._size:
            self._rest.members[self._name] = left
        else:
            del self._rest.members[self._name]


def read_additional(rest: Rest, prompt: Prompt) -> None:
    """Reasoning and top-k as Claude, Nova and gpt-oss spell them; whatever else is there stays."""
    nested = Nested(rest, _MORE)
    more = nested.held
    prompt.top_k = more.take("top_k", int) if _is_int(more.members.get("top_k")) else None
    inner = more.members.get("inferenceConfig")
    if prompt.top_k is None and isinstance(inner, dict) and _is_int(inner.get("topK")):
        prompt.top_k = inner["topK"]
        rest.spelling["top_k"] = NOVA
        _leave(more, "inferenceConfig", "topK")
    thinking = more.members.get("thinking")
    if isinstance(thinking, dict) and isinstance(thinking.get("type"), str):
        held = Rest(more.members.pop("thinking"), _CONVERSE, f"{_MORE}.thinking")
        word = held.need("type", str)
        prompt.reasoning = Reasoning(budget=held.take("budget_tokens", int), off=word == "disabled")
        prompt.reasoning.dynamic = word not in ("enabled", "disabled")
        held.spelling["thinking"] = word
        prompt.reasoning.own = held.own()
    _effort(more, prompt)
    nested.close()


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _leave(rest: Rest, name: str, taken: str) -> None:
    """Take one member out of an object within `rest`, and the object with its last one."""
    left = {key: value for key, value in rest.members[name].items() if key != taken}
    del rest.members[name]
    if left:
        rest.members[name] = left


def _effort(more: Rest, prompt: Prompt) -> None:
    """The effort in words, wherever the model's provider puts it."""
    nova, output = more.members.get("reasoningConfig"), more.members.get("output_config")
    if isinstance(nova, dict) and isinstance(nova.get("type"), str) and prompt.reasoning is None:
        held = Rest(more.members.pop("reasoningConfig"), _CONVERSE, f"{_MORE}.reasoningConfig")
        word = held.need("type", str)
        prompt.reasoning = Reasoning(held.take("maxReasoningEffort", str), off=word == "disabled")
        held.spelling["reasoningConfig"] = word
        prompt.reasoning.own = held.own()
    elif isinstance(output, dict) and isinstance(output.get("effort"), str):
        prompt.reasoning = worded(prompt.reasoning, output["effort"], "output_config")
        _leave(more, "output_config", "effort")
    elif isinstance(more.members.get("reasoning_effort"), str):
        prompt.reasoning = worded(prompt.reasoning, more.members.pop("reasoning_effort"), "reasoning_effort")


def worded(reasoning: Reasoning | None, effort: str, where: str) -> Reasoning:
    reasoning = reasoning or Reasoning()
    reasoning.effort = effort
    reasoning.own = reasoning.own or Own(_CONVERSE, {})
    reasoning.own.spelling = {**reasoning.own.spelling, "effort": where}
    return reasoning


def write_top_k(body: Json, prompt: Prompt) -> None:
    if prompt.top_k is None:
        return
    spelling = spelt(prompt.own, _CONVERSE, "top_k")
    ours = prompt.own is not None and prompt.own.dialect is _CONVERSE
    if spelling == NOVA or (not ours and maker_of(prompt.model) == NOVA):
        body[_MORE] = {"inferenceConfig": {"topK": prompt.top_k}}
    else:
        body[_MORE] = {"top_k": prompt.top_k}


def write_reasoning(body: Json, prompt: Prompt) -> None:
    reasoning = prompt.reasoning
    if reasoning is None:
        return
    own = reasoning.own
    more: Json
    if own is not None and own.dialect is _CONVERSE:
        more = _as_spelt(body, reasoning, own)
    else:
        more = _for_model(body, fitted(prompt, _CONVERSE), maker_of(prompt.model))
    if more:
        body[_MORE] = {**body.get(_MORE, {}), **more}


def _as_spelt(body: Json, reasoning: Reasoning, own: Own) -> Json:
    more: Json = {}
    where = own.spelling.get("effort")
    if (word := own.spelling.get("thinking")) is not None:
        budget = {} if reasoning.budget is None else {"budget_tokens": reasoning.budget}
        more["thinking"] = {"type": word, **budget, **own.members}
    if (word := own.spelling.get("reasoningConfig")) is not None:
        effort = {} if reasoning.effort is None else {"maxReasoningEffort": reasoning.effort}
        more["reasoningConfig"] = {"type": word, **effort, **own.members}
    elif where == "output_config":
        more["output_config"] = {"effort": reasoning.effort}
    elif where == "reasoning_effort":
        more["reasoning_effort"] = reasoning.effort
    elif where == "outputConfig":
        _put_effort(body, str(reasoning.effort))
    return more


def _for_model(body: Json, wish: Fitted, maker: str) -> Json:
    """Reasoning that another dialect asked for, as the model's provider spells it."""
    if wish.off:
        return {"reasoningConfig" if maker == NOVA else "thinking": {"type": "disabled"}}
    if wish.budget is not None:
        return {"thinking": {"type": "enabled", "budget_tokens": wish.budget}}
    if maker == CLAUDE and wish.thinks:
        asked = {} if wish.word is None else {"output_config": {"effort": wish.word}}
        return {"thinking": {"type": "adaptive"}, **asked}
    if wish.word is None:
        return {}
    if maker == NOVA:
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": wish.word}}
    if maker == GPT:
        return {"reasoning_effort": wish.word}
    _put_effort(body, wish.word)
    return {}


def write_serial(body: Json, prompt: Prompt) -> None:
    """One call at a time, for Claude of another dialect's client; a forced tool stands in `toolConfig` alone.

    Two choices of tools in one request are refused (litellm#36536): the second is not written with a first.
    """
    choice = prompt.tool_choice
    ours = prompt.own is not None and prompt.own.dialect is _CONVERSE
    if prompt.parallel_calls is not False or ours or maker_of(prompt.model) != CLAUDE:
        return
    if choice is None or choice.use is ToolUse.AUTO:
        body.get("toolConfig", {}).pop("toolChoice", None)
        told = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
        body[_MORE] = {**body.get(_MORE, {}), **told}


def _put_effort(body: Json, effort: str) -> None:
    body["outputConfig"] = {**body.get("outputConfig", {}), "effort": effort}
