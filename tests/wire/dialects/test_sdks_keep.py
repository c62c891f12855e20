"""What official SDKs keep of an answer and send back with the next turn: a signature survives all of them.

Each SDK reads the answer over a socket, streamed or whole, and makes the next request of it as its users do.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from google import genai
from google.genai import types

from baseload.wire.dialects import annex
from baseload.wire.dialects.fold import unfold
from baseload.wire.dialects.nouns import Call, Dialect, Own, Part, Role, Thought
from baseload.wire.dialects.returned import own_words
from baseload.wire.dialects.speakers import SPEAKERS
from tests.gateway.answering import Provider, Sent, answering
from tests.wire.dialects.test_returned import reply

ASKED: Any = {"role": "user", "content": "Hi"}
ORIGINS = list(Dialect)


def told(client: Dialect, origin: Dialect, *, stream: bool) -> bytes:
    """The answer of a target that speaks `origin`, as a client of this format gets it."""
    speaker, answer = SPEAKERS[client], copy.deepcopy(reply(origin))
    answer.choices[0].parts = [part for part in answer.choices[0].parts if not _is_drawn(part)]
    if not stream:
        return msgspec.json.encode(speaker.write_reply(answer))
    writer = speaker.writer(model="m", usage=True)
    return b"".join(writer.write(event) for event in unfold(answer))


def _is_drawn(part: Part) -> bool:
    return type(part).__name__ == "Media"


@contextmanager
def serving(client: Dialect, origin: Dialect, *, stream: bool) -> Iterator[Provider]:
    """A server that gives every call this answer."""
    content = "text/event-stream" if stream else "application/json"
    body = told(client, origin, stream=stream)

    def answer(_: Sent) -> tuple[int, str, bytes]:
        return 200, content, body

    with answering(answer) as provider:
        yield provider


def by_anthropic(url: str, stream: bool) -> None:
    """The content of the message goes back, as Anthropic's guides do it."""
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        turns: list[Any] = [ASKED]
        for _ in range(2):
            if stream:
                with client.messages.stream(model="m", max_tokens=9, messages=turns) as streaming:
                    message: anthropic.types.Message = streaming.get_final_message()
            else:
                message = client.messages.create(model="m", max_tokens=9, messages=turns)
            turns = [ASKED, {"role": "assistant", "content": message.content}, ASKED]


def by_openai_chat(url: str, stream: bool) -> None:
    """The message itself goes back."""
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        turns: list[Any] = [ASKED]
        for _ in range(2):
            if stream:
                with client.chat.completions.stream(model="m", messages=turns) as streaming:
                    message: Any = streaming.get_final_completion().choices[0].message
            else:
                message = client.chat.completions.create(model="m", messages=turns).choices[0].message
            turns = [ASKED, message, ASKED]


def by_openai_responses(url: str, stream: bool) -> None:
    """The output's items go back."""
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        items: list[Any] = [ASKED]
        for _ in range(2):
            if stream:
                with client.responses.stream(model="m", input=items) as streaming:
                    response: Any = streaming.get_final_response()
            else:
                response = client.responses.create(model="m", input=items)
            items = [ASKED, *response.output, ASKED]


def by_google(url: str, stream: bool) -> None:
    """A chat sends its own history; of a stream it keeps every chunk as a content."""
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url))
    chat = client.chats.create(model="m")
    for _ in range(2):
        if stream:
            list(chat.send_message_stream("Hi"))
        else:
            chat.send_message("Hi")


SDKS: dict[Dialect, Callable[[str, bool], None]] = {
    Dialect.MESSAGES: by_anthropic,
    Dialect.CHAT: by_openai_chat,
    Dialect.RESPONSES: by_openai_responses,
    Dialect.GEMINI: by_google,
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("client", list(SDKS))
def test_what_only_the_target_can_check_survives_the_sdk(
    client: Dialect, origin: Dialect, stream: bool
) -> None:
    """Signature, seal and a call's own member are in the next request, and come out of it for the target."""
    if origin is client:
        return
    with serving(client, origin, stream=stream) as provider:
        SDKS[client](provider.url, stream)
        sent = json.loads(provider.calls[1].body)
    prompt = SPEAKERS[client].read_request(copy.deepcopy(sent))
    parts = [part for turn in prompt.turns if turn.role is Role.ASSISTANT for part in turn.parts]
    thoughts = [part for part in parts if isinstance(part, Thought)]
    assert [part.signature for part in thoughts if part.signature] == ["c2lnbmVk"]
    assert [part.sealed for part in thoughts if part.sealed] == ["c2VhbGVk"]
    assert [part.own for part in parts if isinstance(part, Call)] == [Own(origin, {"extra": "e"})]
    own = own_words(client, json.dumps(sent).encode())  # and one of the client's own format gets none of it
    if client is not Dialect.RESPONSES:
        assert annex.MARK.encode() not in own
        assert b'"baseload"' not in own
