"""Which models think how: the words, budgets and switches that each takes, and what a wish becomes there.

Facts, not policy: read November 2026 from the providers' documentation (Anthropic: extended and adaptive
thinking, effort, "What's new in Claude 4.7"; Google: Gemini thinking; OpenAI: reasoning; Amazon: user guides
of Nova and Bedrock) and from refusals that users reported (hermes-agent#11137, inspect_ai#3721,
spring-ai#4983, opik#3728, qwen-code#9094). A model that no row knows gets what every model of its dialect
takes: two or three words, or nothing at all.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from baseload.wire.dialects.nouns import Dialect, Prompt, Reasoning, ToolUse

ORDER = ("minimal", "low", "medium", "high", "xhigh", "max")
"""Efforts in words, least first."""

EFFORTS = (("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 24576))
"""Thinking budgets that stand for the words where a dialect knows only one of the two; an assumption."""

LEAST_ANSWER = 1
"""Tokens of `max_tokens` that a Claude's thinking budget must leave over."""


class Thinks(Struct, frozen=True):
    """What a model takes. Budgets are tokens.

    `words`: the efforts it knows, least first. `budget`: the least and the most, where it takes one.
    `stops`: it can be told not to think. `adaptive`: it can be told to think as it sees fit, or does by
    itself. `sampled`: it takes temperature, top_p and top_k; `both`: temperature and top_p in one request.
    `floor`: one that does not stop is told the least instead.
    """

    words: tuple[str, ...] = ()
    budget: tuple[int, int] | None = None
    stops: bool = True
    adaptive: bool = False
    sampled: bool = True
    both: bool = True
    floor: bool = True


_THREE = ("low", "medium", "high")
_NO_LIMIT = 1 << 20
CLAUDES: tuple[tuple[tuple[int, int], Thinks], ...] = (
    ((4, 7), Thinks(("low", "medium", "high", "xhigh", "max"), adaptive=True, sampled=False, both=False)),
    ((4, 6), Thinks((*_THREE, "max"), (1024, _NO_LIMIT), adaptive=True, both=False)),
    ((4, 1), Thinks(budget=(1024, _NO_LIMIT), both=False)),
    ((3, 7), Thinks(budget=(1024, _NO_LIMIT))),
    ((1, 0), Thinks()),
    ((0, 0), Thinks(stops=False)),
)
"""Claude by the least version that a row holds for; a name that says none is told nothing of thinking."""
_GEMINI: tuple[tuple[str, Thinks], ...] = (
    (r"gemini-2\.5-pro", Thinks(budget=(128, 32768), stops=False, adaptive=True)),
    (r"gemini-2\.5-flash-lite", Thinks(budget=(512, 24576), adaptive=True)),
    (r"gemini-2\.5-flash(?!-image|.*tts)", Thinks(budget=(1, 24576), adaptive=True)),
    (r"gemini-(1|2\.0|2\.5)", Thinks()),
    (r"gemini-3\.\d+-pro", Thinks(_THREE, stops=False, adaptive=True)),
    (r"gemini-3[\w.]*-flash", Thinks(("minimal", *_THREE), stops=False, adaptive=True)),
    (r"gemini", Thinks(("low", "high"), stops=False, adaptive=True)),
)
_OPENAI: tuple[tuple[str, Thinks], ...] = (
    (r"gpt-oss", Thinks(_THREE, stops=False)),
    (r"gpt-5.*chat|chatgpt|gpt-[34]", Thinks()),
    (r"codex", Thinks(_THREE, stops=False, sampled=False)),
    (r"gpt-5\.1", Thinks(_THREE, sampled=False)),
    (r"gpt-5(?![.\d])", Thinks(("minimal", *_THREE), stops=False, sampled=False)),
    (r"gpt-[5-9]", Thinks((*_THREE, "xhigh"), sampled=False)),
    (r"\bo[1-9]\b", Thinks(_THREE, stops=False, sampled=False)),
    (r"", Thinks(_THREE)),
)
_AMAZON: tuple[tuple[str, Thinks], ...] = (
    (r"nova", Thinks(_THREE)),
    (r"openai\.|gpt-oss", Thinks(_THREE, stops=False)),
    (r"", Thinks((*_THREE, "xhigh", "max"), stops=False, floor=False)),
)
ROWS = {
    Dialect.GEMINI: _GEMINI,
    Dialect.CHAT: _OPENAI,
    Dialect.RESPONSES: _OPENAI,
    Dialect.CONVERSE: _AMAZON,
}
"""Models of the other dialects: what their names match, and what they take; the first that matches holds."""
_VERSION = re.compile(r"claude\D*?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


def is_claude(model: str) -> bool:
    """Whether a model is of Anthropic, by its name."""
    name = model.lower()
    return "claude" in name or "anthropic." in name


@lru_cache(maxsize=1024)
def thinks(model: str, dialect: Dialect) -> Thinks:
    """What a model of this name takes where it is spoken to in `dialect`."""
    name = model.lower()
    if dialect is Dialect.MESSAGES or (dialect is Dialect.CONVERSE and is_claude(model)):
        found = _VERSION.search(name)
        version = (0, 0) if found is None else (int(found[1]), int(found[2] or 0))
        return next(row for least, row in CLAUDES if version >= least)
    return next((row for pattern, row in ROWS[dialect] if re.search(pattern, name)), Thinks())


class Fitted(Struct, frozen=True):
    """A wish as a model takes it: one of a word, a budget in tokens, `off`, `dynamic`, or nothing at all.

    `dynamic`: as much as the model sees fit, which `silent` says of one that does so unless told. `exact`: it
    is what was asked for.
    """

    word: str | None = None
    budget: int | None = None
    off: bool = False
    dynamic: bool = False
    silent: bool = False
    exact: bool = True

    @property
    def thinks(self) -> bool:
        """Whether the model is asked to think."""
        return self.word is not None or self.budget is not None or self.dynamic


NOTHING = Fitted()


def fitted(prompt: Prompt, dialect: Dialect) -> Fitted:
    """What a request's wish becomes at its model: the wish itself, the nearest that it takes, or nothing."""
    reasoning = prompt.reasoning
    if reasoning is None or not asks(reasoning):
        return NOTHING
    can = thinks(prompt.model, dialect)
    claude = dialect is Dialect.MESSAGES or (dialect is Dialect.CONVERSE and is_claude(prompt.model))
    if claude and not reasoning.off and _forced(prompt):
        return Fitted(exact=False)  # a Claude that thinks cannot be made to call
    wish = _wish(reasoning, can)
    return _within_answer(wish, prompt.max_output) if claude else wish


def asks(reasoning: Reasoning) -> bool:
    """Whether anything is said of how much is thought."""
    said = reasoning.effort is not None or reasoning.budget is not None
    return said or reasoning.off or reasoning.dynamic


def _forced(prompt: Prompt) -> bool:
    choice = prompt.tool_choice
    return bool(prompt.tools) and choice is not None and choice.use in (ToolUse.ANY, ToolUse.NAMED)


def _wish(reasoning: Reasoning, can: Thinks) -> Fitted:
    if reasoning.off:
        return _off(can)
    if reasoning.dynamic and reasoning.effort is None:
        if can.adaptive or can.budget is None:
            return Fitted(dynamic=can.adaptive, silent=can.budget is None, exact=can.adaptive)
        return Fitted(budget=dict(EFFORTS)["medium"], exact=False)
    if reasoning.effort is not None and (can.words or can.budget is None):
        word = nearest(reasoning.effort, can.words)
        return Fitted(word, exact=word == reasoning.effort)
    if reasoning.budget is not None and can.budget is not None:
        budget = min(max(reasoning.budget, can.budget[0]), can.budget[1])
        return Fitted(budget=budget, exact=budget == reasoning.budget)
    if can.budget is not None:
        wanted = dict(EFFORTS).get(reasoning.effort or "", EFFORTS[-1][1])
        return Fitted(budget=min(max(wanted, can.budget[0]), can.budget[1]), exact=False)
    return Fitted(nearest(word_of(reasoning.budget or 0), can.words), exact=False)


def _off(can: Thinks) -> Fitted:
    """Not thinking, or the least that the model can."""
    if can.stops or not (can.words or can.budget):
        return Fitted(off=can.stops and bool(can.words or can.budget), exact=can.stops)
    if not can.floor:
        return Fitted(exact=False)
    if can.budget is not None:
        return Fitted(budget=can.budget[0], exact=False)
    return Fitted(can.words[0], exact=False)


def _within_answer(wish: Fitted, most: int | None) -> Fitted:
    """A Claude's budget stays below `max_tokens`, which holds thinking and answer; else it cannot think."""
    if wish.budget is None or most is None or wish.budget <= most - LEAST_ANSWER:
        return wish
    least = most - LEAST_ANSWER
    return Fitted(budget=least, exact=False) if least >= 1024 else Fitted(exact=False)


def word_of(budget: int) -> str:
    """The least effort whose budget is not below this one."""
    return next((word for word, tokens in EFFORTS if budget <= tokens), EFFORTS[-1][0])


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The word itself, else the next one above it, else the highest; None where none is known."""
    if word in known or not known:
        return word if known else None
    at = ORDER.index(word) if word in ORDER else 0
    return next((one for one in known if ORDER.index(one) >= at), known[-1])


SAMPLING = {"temperature": 1, "top_p": 1, "top_k": 0}
"""What chooses among words, and the value that each has where nothing is said."""


def unsampled(prompt: Prompt, dialect: Dialect) -> frozenset[str]:
    """Which of `SAMPLING` the request says and its model does not take, as it is asked to think."""
    said = {name for name in SAMPLING if getattr(prompt, name) is not None}
    if not said:
        return frozenset()
    can = thinks(prompt.model, dialect)
    if not can.sampled:
        return frozenset(said)
    claude = dialect is Dialect.MESSAGES or (dialect is Dialect.CONVERSE and is_claude(prompt.model))
    if claude and fitted(prompt, dialect).thinks:
        return frozenset(said - {"top_p"} if (prompt.top_p or 1) >= _LEAST_TOP_P else said)
    return frozenset({"top_p"} if not can.both and {"temperature", "top_p"} <= said else ())


_LEAST_TOP_P = 0.95
"""A Claude that thinks takes a top_p from here on."""
