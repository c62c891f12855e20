"""What a request asks of a target, as rows of `matrix.FIELDS`: those of which something must be judged.

A row is named where the request says what the row is about, and one about values that do not fit only where a
value really does not.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from itertools import groupby

from baseload.wire.dialects.converse import fitted_metadata
from baseload.wire.dialects.converse_blocks import Names
from baseload.wire.dialects.fitting import LONGEST_USER, claude_schema, tier_of
from baseload.wire.dialects.nouns import (
    Call,
    Dialect,
    Form,
    Kind,
    Media,
    Part,
    Prompt,
    Result,
    Role,
    ServerTool,
    Shape,
    Text,
    Thought,
    Tool,
    ToolUse,
    Turn,
)
from baseload.wire.dialects.searching import ROWS
from baseload.wire.dialects.thinking import SAMPLING, fitted, is_claude, unsampled

_USUAL = 64
"""Characters of a user's name that nobody finds too many."""
_PLAIN = (
    "max_output",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "stop",
    "choices",
    "logprobs",
    "top_logprobs",
    "verbosity",
    "user",
    "metadata",
)
"""Rows that are named where the request says anything of theirs."""


def used(prompt: Prompt, target: Dialect) -> Iterator[str]:
    """The names of all rows that a request is about; some more than once."""
    for name in _PLAIN:
        if getattr(prompt, name) is not None:
            yield name
    yield from _values(prompt, target)
    yield from _tools(prompt, target)
    yield from _form(prompt, target)
    if not fitted(prompt, target).exact:
        yield _thinking(prompt)
    spoken = [
        turn.role
        for turn in prompt.turns
        if turn.role not in (Role.SYSTEM, Role.DEVELOPER) and any(_says(part) for part in turn.parts)
    ]
    if not spoken:
        yield "nothing_said"
    elif spoken[0] is Role.ASSISTANT:
        yield "user_first"
    if _document_alone(prompt.turns):
        yield "document_alone"
    if prompt.turns and all(turn.role in (Role.SYSTEM, Role.DEVELOPER) for turn in prompt.turns):
        yield "system_alone"
    yield from _in_turns(prompt.turns, target)


def _values(prompt: Prompt, target: Dialect) -> Iterator[str]:
    """Values that do not fit."""
    if prompt.max_output is None:
        yield "unbounded_output"
    if prompt.temperature is not None and prompt.temperature > 1:
        yield "temperature_above_one"
    for name in unsampled(prompt, target):
        if getattr(prompt, name) != SAMPLING[name]:
            yield f"{name}_unsampled"
    if len(prompt.user or "") > LONGEST_USER.get(target, _USUAL):
        yield "user_long"
    if prompt.tier is not None:
        yield "tier"
        if tier_of(prompt.tier, target) != prompt.tier:
            yield "tier_unknown"
    if prompt.metadata is not None and fitted_metadata(prompt.metadata) != prompt.metadata:
        yield "metadata_unfit"


def _tools(prompt: Prompt, target: Dialect) -> Iterator[str]:
    if prompt.parallel_calls is False:
        yield "serial_calls"
    if prompt.tool_choice is not None:
        yield _choice_field(prompt)
    if not prompt.tools and _calls(prompt.turns):
        yield "calls_without_tools"
    for tool in prompt.tools or ():
        if isinstance(tool, ServerTool):
            yield tool.kind.value
            yield from _searching(tool)
        if isinstance(tool, Tool):
            yield "tools"
            if tool.strict:
                yield "tool_strict"
                if limited(tool, prompt.model, target):
                    yield "tool_schema_limits"
            if tool.cache is not None:
                yield "cache_marker"


def _searching(tool: ServerTool) -> Iterator[str]:
    """How the web is to be searched."""
    if tool.search is not None:
        for name, member in ROWS.items():
            if getattr(tool.search, member) is not None:
                yield name


def _form(prompt: Prompt, target: Dialect) -> Iterator[str]:
    form = prompt.form
    if form is None or form.shape is Shape.TEXT:
        return
    if form.shape is Shape.JSON:
        yield "form_json"
        return
    yield "form_schema"
    said = (form.strict,) if target is Dialect.CONVERSE else (form.name, form.description, form.strict)
    if any(said):
        yield "form_words"
    if limited(form, prompt.model, target):
        yield "schema_limits"


def limited(holder: Form | Tool, model: str, target: Dialect) -> bool:
    """Whether the schema of a form or strict tool says what the target's model does not take in one."""
    claude = target is Dialect.MESSAGES or (target is Dialect.CONVERSE and is_claude(model))
    return claude and bool(holder.schema) and claude_schema(holder.schema or {}) != holder.schema


def _thinking(prompt: Prompt) -> str:
    reasoning = prompt.reasoning
    assert reasoning is not None
    if reasoning.off:
        return "thinking_off"
    if reasoning.effort is not None:
        return "effort"
    return "thinking_dynamic" if reasoning.budget is None else "thinking_budget"


def _document_alone(turns: list[Turn]) -> bool:
    """Whether one side shows a document and says nothing with it, until the other side speaks."""
    spoken = (turn for turn in turns if turn.role not in (Role.SYSTEM, Role.DEVELOPER))
    for _, side in groupby(spoken, lambda turn: turn.role is Role.ASSISTANT):
        parts = [part for turn in side for part in turn.parts]
        shown = any(isinstance(part, Media) and part.kind is Kind.DOCUMENT for part in parts)
        if shown and not any(isinstance(part, Text) and part.text for part in parts):
            return True
    return False


def _choice_field(prompt: Prompt) -> str:
    """Which row the choice of tools is: some formats can only leave tools out, and only while unused."""
    if prompt.tool_choice is None or prompt.tool_choice.use is not ToolUse.NONE:
        return "tool_choice"
    return "tool_choice_none_midway" if _calls(prompt.turns) else "tool_choice_none"


def _calls(turns: list[Turn]) -> bool:
    return any(isinstance(part, Call | Result) for turn in turns for part in turn.parts)


def _says(part: Part) -> bool:
    return not isinstance(part, Text) or bool(part.text)


def _in_turns(turns: list[Turn], target: Dialect) -> Iterator[str]:
    begun = False
    names = Names(answer=True)
    for turn in turns:
        if turn.role is Role.DEVELOPER:
            yield "developer"
        if turn.role in (Role.SYSTEM, Role.DEVELOPER):
            if begun:
                yield "system_midway"
        else:
            begun = True
        if turn.name is not None:
            yield "participant"
        if turn.role is Role.ASSISTANT and target is Dialect.GEMINI:
            call = next((part for part in turn.parts if isinstance(part, Call)), None)
            if call is not None and (call.own is None or call.own.dialect is not target):
                yield "call_unsigned"
        for part in turn.parts:
            yield from _in_part(part, target, names)


def _in_part(part: Part, target: Dialect, names: Names) -> Iterator[str]:
    if getattr(part, "cache", None) is not None:
        yield "cache_marker"
    if isinstance(part, Media):
        yield media(part)
        if part.kind is Kind.DOCUMENT:
            yield from _named(part, names)
        if part.detail not in (None, "auto"):
            yield "image_detail"
    elif isinstance(part, Result):
        if part.failed:
            yield "result_failed"
        if any(isinstance(held, Media) and held.text is None for held in part.parts):
            yield "result_media"
        for held in part.parts:
            yield from _in_part(held, target, names)
    elif isinstance(part, Thought) and part.origin is not target:
        yield "foreign_thought"


def _named(document: Media, names: Names) -> Iterator[str]:
    fit = names.of(document)
    if document.name is None:
        return
    yield "document_text_name" if document.text is not None else "document_name"
    if fit != document.name:
        yield "document_name_unfit"


def media(part: Media) -> str:
    """The row that a picture, document, sound or film is of."""
    if part.data is not None:
        form = "data"
    elif part.url is not None:
        form = "url"
    elif part.file is not None:
        form = "file"
    else:
        form = "text"
    kind = Kind.DOCUMENT if form == "text" else part.kind
    plain = form == "url" and kind in (Kind.IMAGE, Kind.DOCUMENT) and part.mime is None
    untyped = plain and mimetypes.guess_type(part.url or "")[0] is None
    return f"{kind.value}_{form}" + ("_untyped" if untyped else "")
