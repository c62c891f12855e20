"""What the readers of streams rely on, by type: an event that is otherwise is no event of its format.

Members that are not here may be anything. A decoder raises msgspec.ValidationError, which is a ValueError.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Said(Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct):
    index: int | None = None
    delta: _Said | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Chunk(Struct):
    """Of chat completions."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    choices: list[_Choice] | None = None


class _Delta(Struct):
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Message(Struct):
    id: str | None = None
    model: str | None = None


class _Event(Struct):
    """Of Anthropic's messages."""

    type: str | None = None
    index: int = 0
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: _Message | str | None = None


CHAT = msgspec.json.Decoder(_Chunk)
MESSAGES = msgspec.json.Decoder(_Event)
