"""What becomes of a request at a target of another format: carried, approximated, dropped or refused.

`matrix.FIELDS` says what each dialect can say; here is found what a request does say, and what follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from msgspec import Struct

from baseload import errors
from baseload.errors import RequestError
from baseload.wire.dialects.matrix import FIELDS, HARMLESS, STATEFUL
from baseload.wire.dialects.nouns import (
    Call,
    Dialect,
    Foreign,
    Kind,
    Media,
    Own,
    Part,
    Prompt,
    Result,
    Role,
    ServerTool,
    Service,
    Shape,
    Text,
    Thought,
    Tool,
    ToolUse,
    Turn,
)


class Judged(Struct):
    """What becomes of a request at a target: what is approximated and what was dropped, for its sender.

    `fields`: the names (of `FIELDS`) of those that are approximated.
    """

    approximated: list[str]
    dropped: list[str]
    fields: set[str]


def judge(prompt: Prompt, source: Dialect, target: Dialect, *, drop: bool = False) -> Judged:
    """Whether `target` can say `prompt`, which a client wrote in `source`; with `drop` it is made to.

    Raises RequestError (unsupported_parameter) with the name of the first field that it cannot carry.
    """
    judged = Judged([], [], set())
    if source is target:
        return judged
    for name in set(used(prompt, target)):
        field = FIELDS[name]
        if how := field.approximated(target):
            judged.approximated.append(f"{field.path(source)}: {how}")
            judged.fields.add(name)
        elif not field.carried(target) or not field.open_to(target, prompt.model):
            if not drop:
                raise unsupported(field.path(source), target)
            _drop(prompt, name)
            judged.dropped.append(field.path(source))
    for path, own in foreign(prompt, source):
        if own.dialect is target:
            continue  # of an earlier answer of the target's, which the client sent back whole
        judged_as = HARMLESS[source].get(path)
        if own.dialect is source and (why := STATEFUL.get(source, {}).get(path)) is not None:
            raise unsupported(path, target, why)
        if own.dialect is not source:
            judged.approximated.append(f"{path}: left out, since only {own.dialect.value} can say it")
        elif judged_as is not None:
            judged.approximated.append(f"{path}: left out, since it is {judged_as}")
        elif not drop:
            raise unsupported(path, target)
        else:
            judged.dropped.append(path)
    if drop:
        _drop_foreign(prompt, target)
    return judged


def unsupported(path: str, target: Dialect, why: str = "") -> RequestError:
    """A field that the target's format cannot carry, and `why` where that says more."""
    message = f"the target speaks the {target.value} format, which cannot carry {path}"
    message += f", since {why}" if why else ""
    return RequestError(errors.UNSUPPORTED_PARAMETER, message, param=path)


def used(prompt: Prompt, target: Dialect) -> Iterator[str]:
    """The names of all fields a request uses; some more than once."""
    for name in (
        "max_output",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "stop",
        "top_logprobs",
        "verbosity",
        "user",
        "tier",
        "metadata",
    ):
        if getattr(prompt, name) not in (None, []):
            yield name
    if prompt.max_output is None:
        yield "unbounded_output"
    if prompt.choices is not None and prompt.choices > 1:
        yield "choices"
    if prompt.logprobs:
        yield "logprobs"
    if prompt.parallel_calls is False:
        yield "serial_calls"
    if prompt.tool_choice is not None:
        yield _choice_field(prompt)
    if not prompt.tools and _calls(prompt.turns):
        yield "calls_without_tools"
    spoken = [
        turn.role
        for turn in prompt.turns
        if turn.role not in (Role.SYSTEM, Role.DEVELOPER) and any(_says(part) for part in turn.parts)
    ]
    if not spoken or spoken[0] is Role.ASSISTANT:
        yield "user_first"
    if prompt.form is not None and prompt.form.shape is not Shape.TEXT:
        yield "form_json" if prompt.form.shape is Shape.JSON else "form_schema"
    if (reasoning := prompt.reasoning) is not None:
        if reasoning.off:
            yield "thinking_off"
        elif reasoning.budget is not None:
            yield "thinking_budget"
        elif reasoning.effort is not None:
            yield "effort"
    for tool in prompt.tools or ():
        if isinstance(tool, ServerTool):
            yield tool.kind.value
        if isinstance(tool, Tool):
            yield "tools"
            if tool.strict is not None:
                yield "tool_strict"
            if tool.cache is not None:
                yield "cache_marker"
    if _document_alone(prompt.turns):
        yield "document_alone"
    if prompt.turns and all(turn.role in (Role.SYSTEM, Role.DEVELOPER) for turn in prompt.turns):
        yield "system_alone"
    yield from _in_turns(prompt.turns, target)


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
        for part in turn.parts:
            yield from _in_part(part, target)


def _in_part(part: Part, target: Dialect) -> Iterator[str]:
    if getattr(part, "cache", None) is not None:
        yield "cache_marker"
    if isinstance(part, Media):
        yield _media(part)
        if part.kind is Kind.DOCUMENT:
            yield "document_name"
        if part.detail not in (None, "auto"):
            yield "image_detail"
    elif isinstance(part, Result):
        if part.failed:
            yield "result_failed"
        if any(isinstance(held, Media) for held in part.parts):
            yield "result_media"
        for held in part.parts:
            yield from _in_part(held, target)
    elif isinstance(part, Thought) and part.origin is not target:
        yield "foreign_thought"


def _media(part: Media) -> str:
    if part.data is not None:
        form = "data"
    elif part.url is not None:
        form = "url"
    elif part.file is not None:
        form = "file"
    else:
        form = "text"
    kind = Kind.DOCUMENT if form == "text" else part.kind
    return f"{kind.value}_{form}"


def foreign(prompt: Prompt, source: Dialect) -> Iterator[tuple[str, Own]]:
    """Paths of what only the source's dialect has, where it says anything."""
    yield from _members("", prompt.own)
    for tool in prompt.tools or ():
        if isinstance(tool, Foreign):
            yield f"tools of type {tool.what}", tool.own
        elif isinstance(tool, ServerTool):
            yield from _members(FIELDS[tool.kind.value].path(source) + ".", tool.own)
        else:
            yield from _members("tools.", tool.own)
    for name, held in (
        ("tool_choice", prompt.tool_choice),
        ("form_schema", prompt.form),
        ("effort", prompt.reasoning),
    ):
        if held is not None:
            path = FIELDS[name].path(source)
            if source is Dialect.RESPONSES and held is prompt.reasoning:
                path = path.partition(".")[0]  # its members stand beside the effort
            yield from _members(path + ".", held.own)
    for turn in prompt.turns:
        yield from _members("messages.", turn.own)
        for part in turn.parts:
            yield from _foreign_part(part)


def _foreign_part(part: Part) -> Iterator[tuple[str, Own]]:
    if isinstance(part, Foreign):
        yield part.what, part.own
        return
    if isinstance(part, Result):
        for held in part.parts:
            yield from _foreign_part(held)
    own = getattr(part, "own", None)
    if not isinstance(part, Thought):
        yield from _members("messages.content.", own)


_NOTHING: tuple[object, ...] = (None, [], {}, "", False)


def _members(path: str, own: Own | None) -> Iterator[tuple[str, Own]]:
    if own is not None:
        for name, value in own.members.items():
            if value not in _NOTHING and name not in UNSAID:
                yield path + name, own


UNSAID = frozenset(
    {"annotations", "audio", "caller", "citations", "id", "logprobs", "status", "phase", "thoughtSignature"}
)
"""Members of the model's own earlier answers that its next one does not depend on."""


_KINDS = frozenset(kind.value for kind in Kind)


def _drop(prompt: Prompt, name: str) -> None:
    """Take a field out of the request."""
    if name in ("serial_calls",):
        prompt.parallel_calls = None
    elif name in ("form_json", "form_schema"):
        prompt.form = None
    elif name in ("effort", "thinking_budget", "thinking_off"):
        prompt.reasoning = None
    elif name.startswith("tool_choice"):
        prompt.tool_choice = None
    elif name in frozenset(Service):
        kept = [one for one in prompt.tools or () if not (isinstance(one, ServerTool) and one.kind == name)]
        prompt.tools = kept or None
    elif name == "result_media":
        for turn in prompt.turns:
            for part in turn.parts:
                if isinstance(part, Result):
                    part.parts = [held for held in part.parts if not isinstance(held, Media)]
    elif name.partition("_")[0] in _KINDS:
        for turn in prompt.turns:
            turn.parts = [
                part for part in turn.parts if not (isinstance(part, Media) and _media(part) == name)
            ]
    else:
        setattr(prompt, name, None)


def _drop_foreign(prompt: Prompt, target: Dialect) -> None:
    """Take out parts and tools that only another dialect has."""
    if prompt.tools is not None:
        prompt.tools = [tool for tool in prompt.tools if not isinstance(tool, Foreign)] or None
    for turn in prompt.turns:
        turn.parts = [
            part for part in turn.parts if not isinstance(part, Foreign) or part.own.dialect is target
        ]
    prompt.turns = [turn for turn in prompt.turns if turn.parts]
