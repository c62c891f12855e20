"""What becomes of a request at a target of another format: carried, approximated, dropped or refused.

`matrix.FIELDS` says what each dialect can say, `asking` what a request does say; here is what follows.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from baseload import errors
from baseload.errors import RequestError
from baseload.wire.dialects import settling
from baseload.wire.dialects.asking import used
from baseload.wire.dialects.chat_thinking import extension
from baseload.wire.dialects.leaving import HARMLESS, NEARLY, NEUTRAL, STATEFUL
from baseload.wire.dialects.matrix import FIELDS
from baseload.wire.dialects.nouns import (
    Dialect,
    Foreign,
    Own,
    Part,
    Prompt,
    Result,
    Role,
    ServerTool,
    Thought,
    ToolChoice,
)
from baseload.wire.dialects.rest import spelt


class Judged(Struct):
    """What becomes of a request at a target: what is approximated and what was dropped, for its sender.

    `fields`: the names (of `FIELDS`) of those that are approximated. `one_call`: calls after the first are to
    be left out of the answer.
    """

    approximated: list[str]
    dropped: list[str]
    fields: set[str]
    one_call: bool = False


def judge(prompt: Prompt, source: Dialect, target: Dialect, *, drop: bool = False) -> Judged:
    """Whether `target` can say `prompt`, which a client wrote in `source`; it is made ready to be written.

    With `drop`, what cannot be said is left out. Raises RequestError (unsupported_parameter) with the name of
    the first field that cannot be carried.
    """
    judged = Judged([], [], set())
    if source is target:
        return judged
    settling.forget_neutral(prompt)
    routed = any(isinstance(tool, ServerTool) and _is_routers(tool) for tool in prompt.tools or ())
    for name in sorted(set(used(prompt, target))):
        field = FIELDS[name]
        path = field.path(source, extended=routed)
        if how := field.approximated(target):
            judged.approximated.append(f"{path}: {how}")
            judged.fields.add(name)
        elif (
            not field.carried(target)
            or not field.known(source, target)
            or not field.open_to(target, prompt.model)
        ):
            if not drop:
                raise unsupported(path, target)
            settling.drop(prompt, name)
            judged.dropped.append(path)
    for path, own in foreign(prompt, source):
        if own.dialect is target:
            continue  # of an earlier answer of the target's, which the client sent back whole
        if own.dialect is source and (why := STATEFUL.get(source, {}).get(path)) is not None:
            raise unsupported(path, target, why)
        if own.dialect is not source:
            judged.approximated.append(f"{path}: left out, since only {own.dialect.value} can say it")
        elif (harmless := HARMLESS[source].get(path)) is not None:
            judged.approximated.append(f"{path}: left out, since it is {harmless}")
        elif (how := NEARLY.get(source, {}).get(path, "")) != "":
            judged.approximated.append(f"{path}: {how}")
        elif not drop:
            raise unsupported(path, target)
        else:
            judged.dropped.append(path)
    judged.one_call = "serial_calls" in judged.fields
    judged.dropped += settling.settle(prompt, target)
    return judged


def unsupported(path: str, target: Dialect, why: str = "") -> RequestError:
    """A field that the target's format cannot carry, and `why` where that says more."""
    message = f"the target speaks the {target.value} format, which cannot carry {path}"
    message += f", since {why}" if why else ""
    return RequestError(errors.UNSUPPORTED_PARAMETER, message, param=path)


def foreign(prompt: Prompt, source: Dialect) -> Iterator[tuple[str, Own]]:
    """Paths of what only the source's dialect has, where it says anything that does not hold anyway."""
    neutral = NEUTRAL.get(source, {})
    for path, own, value in _foreign(prompt, source):
        if value not in neutral.get(path, ()):
            yield path, own


_Found = Iterator[tuple[str, Own, object]]


def _foreign(prompt: Prompt, source: Dialect) -> _Found:
    yield from _members("", prompt.own)
    for tool in prompt.tools or ():
        if isinstance(tool, Foreign):
            yield f"tools of type {_kind(tool)}", tool.own, tool.own.members
        elif isinstance(tool, ServerTool):
            yield from _members(_options(tool, source), tool.own)
        else:
            yield from _members("tools.", tool.own)
    if prompt.tool_choice is not None:
        yield from _in_choice(prompt.tool_choice, source)
    if prompt.form is not None:
        yield from _members(FIELDS["form_schema"].path(source) + ".", prompt.form.own)
    if prompt.reasoning is not None:
        own_word = extension(prompt.reasoning.own) if source is Dialect.CHAT else None
        yield from _members(f"{own_word or _THINKING[source]}.", prompt.reasoning.own)
    for turn in prompt.turns:
        yield from _members("messages.", turn.own)
        for part in turn.parts:
            yield from _foreign_part(part, said=turn.role is Role.ASSISTANT)


_THINKING = {
    Dialect.CHAT: "reasoning_effort",
    Dialect.RESPONSES: "reasoning",
    Dialect.MESSAGES: "thinking",
    Dialect.GEMINI: "generationConfig.thinkingConfig",
    Dialect.CONVERSE: "additionalModelRequestFields.thinking",
}


def _is_routers(tool: ServerTool) -> bool:
    """Whether it came as a router's own tool."""
    return spelt(tool.own, Dialect.CHAT, "tool") is not None


def _options(tool: ServerTool, source: Dialect) -> str:
    """How the paths of a server tool's options begin; a router's tool has them in `parameters`."""
    return "tools.parameters." if _is_routers(tool) else FIELDS[tool.kind.value].path(source) + "."


def _in_choice(choice: ToolChoice, source: Dialect) -> _Found:
    """A choice of its own kind is named by its type, whatever else it says."""
    path, own = FIELDS["tool_choice"].path(source), choice.own
    kind = own.members.get("type") if own is not None else None
    if own is not None and isinstance(kind, str):
        yield f"{path}.{kind}", own, own.members
    else:
        yield from _members(path + ".", own)


def _kind(foreign: Foreign) -> str:
    """What a part or tool is; one that the client is to carry out is another one than the provider's."""
    return f"{foreign.what}.execution" if foreign.own.members.get("execution") == "client" else foreign.what


def _foreign_part(part: Part, *, said: bool) -> _Found:
    if isinstance(part, Foreign):
        if not settling.searches_tools(part):
            yield _kind(part), part.own, part.own.members
        return
    if isinstance(part, Result):
        for held in part.parts:
            yield from _foreign_part(held, said=False)
    if not isinstance(part, Thought):
        yield from _members("messages.content.", getattr(part, "own", None), said=said)


_NOTHING: tuple[object, ...] = (None, [], {}, "", 0)
"""What says nothing; false, which equals 0 in Python, may say something."""


def _members(path: str, own: Own | None, *, said: bool = False) -> _Found:
    if own is not None:
        for name, value in own.members.items():
            unsaid = name in UNSAID and (said or name not in _ASKS)
            if not unsaid and (value is False or value not in _NOTHING):
                yield path + name, own, value


UNSAID = frozenset(
    {
        "annotations",
        "audio",
        "caller",
        "citations",
        "id",
        "index",
        "logprobs",
        "namespace",
        "phase",
        "status",
        "thoughtSignature",
    }
)
"""Members of the model's own earlier answers that its next one does not depend on."""
_ASKS = frozenset({"citations"})
"""Those that mean something else where the user says them."""
