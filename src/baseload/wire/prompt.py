"""How large the text of a request or an answer is: what a tokenizer would see of it, without one.

Only needed where a target did not say how many tokens it read, so it may take its time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct


class PromptSize(NamedTuple):
    """UTF-8 bytes of text, in how many messages or inputs, and token ids that were sent as such."""

    text_bytes: int
    parts: int
    ids: int


class _Message(Struct, frozen=True):
    content: str | list[dict[str, Any]] | None = None
    tool_calls: Raw = Raw(b"")


class _Body(Struct):
    messages: list[_Message] = []
    system: str | list[Any] | None = None
    prompt: str | list[Any] | None = None
    input: str | list[Any] | None = None
    instructions: str | list[Any] | None = None
    tools: Raw = Raw(b"")


class _Content(Struct, frozen=True):
    parts: list[dict[str, Any]] = []


class _GoogleBody(Struct, rename="camel"):
    contents: list[_Content] = []
    system_instruction: _Content | None = None
    content: _Content | None = None
    requests: list[_GoogleBody] = []
    tools: Raw = Raw(b"")


class _Candidate(Struct, frozen=True):
    content: _Content = _Content()


class _Choice(Struct):
    message: _Message = _Message()
    text: str = ""


class _Answer(Struct):
    choices: list[_Choice] = []
    output: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []
    candidates: list[_Candidate] = []


_decode = msgspec.json.Decoder(_Body).decode
_decode_google = msgspec.json.Decoder(_GoogleBody).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


def prompt_size(body: bytes) -> PromptSize | None:
    """The size of the prompt in a request of OpenAI's, Anthropic's or Google's format; None if it has none.

    Tool definitions and calls count as the text they are written as; images and audio do not count.
    """
    try:
        asked = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    size = PromptSize(len(asked.tools), 0, 0)
    for message in asked.messages:
        size = _plus(size, message.content, len(message.tool_calls))
    for told in (asked.system, asked.instructions):
        if told is not None:
            size = _plus(size, told)
    for given in (asked.prompt, asked.input):
        if isinstance(given, list):
            size = size._replace(ids=size.ids + sum(isinstance(each, int) for each in given))
            for each in given:
                if isinstance(each, list):
                    size = size._replace(ids=size.ids + len(each), parts=size.parts + 1)
                elif isinstance(each, str):
                    size = _plus(size, each)
                elif isinstance(each, dict):
                    size = _with_item(size, each)
        elif given is not None:
            size = _plus(size, given)
    if b'"parts"' in body and size.parts == 0:
        size = _of_google(body)
    return size if size.text_bytes or size.ids else None


def _of_google(body: bytes) -> PromptSize:
    """As `prompt_size`, of Google's format: what is not text counts as it is written, pictures do not."""
    try:
        return _with_google(PromptSize(0, 0, 0), _decode_google(body))
    except (msgspec.DecodeError, RecursionError):
        return PromptSize(0, 0, 0)


def _with_google(size: PromptSize, asked: _GoogleBody) -> PromptSize:
    size = size._replace(text_bytes=size.text_bytes + len(asked.tools))
    for content in (*asked.contents, asked.system_instruction, asked.content):
        if content is not None:
            size = _plus(size, content.parts, _written(content))
    for one in asked.requests:
        size = _with_google(size, one)
    return size


def _written(content: _Content) -> int:
    """Bytes of the calls of functions in it, and of their results."""
    given = (part.get(name) for part in content.parts for name in ("functionCall", "functionResponse"))
    return sum(len(msgspec.json.encode(one)) for one in given if one is not None)


def answer_text_bytes(body: bytes) -> int:
    """UTF-8 bytes of the text in a whole answer, tool calls as they are written; 0 where it has none."""
    try:
        answer = _decode_answer(body)
    except (msgspec.DecodeError, RecursionError):
        return 0
    size = PromptSize(0, 0, 0)
    for choice in answer.choices:
        size = _plus(size, choice.message.content, len(choice.message.tool_calls) + len(choice.text.encode()))
    for item in answer.output:
        size = _with_item(size, item)
    for candidate in answer.candidates:
        size = _plus(size, candidate.content.parts, _written(candidate.content))
    return _plus(size, answer.content).text_bytes


def _with_item(size: PromptSize, item: dict[str, Any]) -> PromptSize:
    """`size` with an item of a response's input or output: what is said, called or given in it."""
    more = sum(len(text.encode()) for name in _SAID if isinstance(text := item.get(name), str))
    content = item.get("content") or item.get("summary")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else content
    return _plus(size, parts if isinstance(parts, str | list) else None, more)


_SAID = ("name", "arguments", "output")


def _plus(size: PromptSize, content: str | list[dict[str, Any]] | None, more: int = 0) -> PromptSize:
    """`size` with one more message."""
    parts = [content] if isinstance(content, str) else [part.get("text") for part in content or ()]
    text_bytes = sum(len(part.encode()) for part in parts if isinstance(part, str))
    return size._replace(text_bytes=size.text_bytes + text_bytes + more, parts=size.parts + 1)
