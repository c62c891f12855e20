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


class _Choice(Struct):
    message: _Message = _Message()
    text: str = ""


class _Answer(Struct):
    choices: list[_Choice] = []
    output: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []


_decode = msgspec.json.Decoder(_Body).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


def prompt_size(body: bytes) -> PromptSize | None:
    """The size of the prompt in a request of OpenAI's or Anthropic's format; None if it has none.

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
    return size if size.text_bytes or size.ids else None


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
