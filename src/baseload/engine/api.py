"""OpenAI's chat and text completions: requests read and checked, answers written.

What would change the answer and is not supported (several choices, tools, logprobs, JSON schemas, images)
is refused with the field's name; other fields are ignored, as OpenAI's own servers of older models do.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from baseload import errors
from baseload.engine.link import Chat, Message, Prompt, Sampling, Text, TokenIds
from baseload.errors import RequestError

DEFAULT_COMPLETION_TOKENS = 16
"""OpenAI's default of `max_tokens` for text completions; a chat's is the rest of the context."""

_T = TypeVar("_T")
_Count = Annotated[int, Meta(ge=1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


class StreamOptions(Struct):
    """`stream_options`; `continuous_usage_stats` is vLLM's: usage in every chunk."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class _Common(Struct, kw_only=True):
    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: _Count | None = None
    min_tokens: Annotated[int, Meta(ge=0)] | None = None
    ignore_eos: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=16)] | None = None
    n: _Count | None = None
    best_of: _Count | None = None
    logprobs: bool | int | None = None
    logit_bias: dict[str, float] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0)] | None = None


class _Part(Struct):
    type: str
    text: str | None = None


class _ChatMessage(Struct):
    role: str
    content: str | list[_Part] | None = None


class _Format(Struct):
    type: str


class _ChatRequest(_Common, kw_only=True):
    messages: Annotated[list[_ChatMessage], Meta(min_length=1)]
    max_completion_tokens: _Count | None = None
    tools: list[Any] | None = None
    response_format: _Format | None = None


class _CompletionRequest(_Common, kw_only=True):
    prompt: str | list[str | int | list[int]]
    echo: bool | None = None
    suffix: str | None = None


class _TokenizeRequest(Struct, kw_only=True):
    model: str | None = None
    prompt: str | None = None
    messages: list[_ChatMessage] | None = None
    add_special_tokens: bool = True
    add_generation_prompt: bool = True


class Ask(Struct, frozen=True):
    """A request that was read: what to generate and how the answer is to be sent."""

    kind: Literal["chat", "text"]
    prompt: Prompt
    sampling: Sampling
    stream: bool
    include_usage: bool
    continuous_usage: bool


def read_chat(body: bytes, model: str) -> Ask:
    """A chat completions request for this model; RequestError names the field that is wrong."""
    request = _decode(body, _ChatRequest)
    _check(request, model)
    _refuse("tools", bool(request.tools), "tools are not supported")
    plain = request.response_format is None or request.response_format.type == "text"
    _refuse("response_format", not plain, "only text is supported")
    max_tokens = request.max_completion_tokens or request.max_tokens
    return _ask("chat", _chat(request.messages), request, max_tokens)


def read_completion(body: bytes, model: str) -> Ask:
    """A text completions request for this model; RequestError names the field that is wrong."""
    request = _decode(body, _CompletionRequest)
    _check(request, model)
    _refuse("echo", bool(request.echo), "echo is not supported")
    _refuse("suffix", bool(request.suffix), "suffix is not supported")
    max_tokens = request.max_tokens or DEFAULT_COMPLETION_TOKENS
    return _ask("text", _prompt(request.prompt), request, max_tokens)


def read_tokenize(body: bytes, model: str) -> Prompt:
    """What vLLM's `/tokenize` is asked: a prompt, or messages as the chat template would write them."""
    request = _decode(body, _TokenizeRequest)
    if request.model is not None:
        _check_model(request.model, model)
    if request.messages is not None:
        return Chat(_chat(request.messages).messages, request.add_generation_prompt)
    if request.prompt is None:
        raise RequestError(errors.INVALID_FIELD, "prompt or messages is missing", param="prompt")
    return Text(request.prompt, request.add_special_tokens)


class Writer:
    """Writes one answer in OpenAI's format: whole, or as the events of a stream."""

    def __init__(self, ask: Ask, model: str) -> None:
        self._ask = ask
        self._chat = ask.kind == "chat"
        self._id = ("chatcmpl-" if self._chat else "cmpl-") + secrets.token_hex(12)
        self._created = int(time.time())
        self._model = model

    def whole(self, text: str, finish: str, input_tokens: int, output_tokens: int) -> bytes:
        """The unstreamed answer."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
        if self._chat:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        kind = "chat.completion" if self._chat else "text_completion"
        return msgspec.json.encode(self._body(kind, [choice], _usage(input_tokens, output_tokens)))

    def chunk(
        self, text: str, finish: str | None, input_tokens: int, output_tokens: int, *, first: bool
    ) -> bytes:
        """One event of a stream; the first one of a chat says who speaks."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
        if self._chat:
            choice["delta"] = {"role": "assistant", "content": text} if first else {"content": text}
        else:
            choice["text"] = text
        usage = _usage(input_tokens, output_tokens) if self._ask.continuous_usage else None
        return _event(self._body(self._chunk_kind, [choice], usage))

    def usage(self, input_tokens: int, output_tokens: int) -> bytes:
        """The event with the whole answer's usage and no choice."""
        return _event(self._body(self._chunk_kind, [], _usage(input_tokens, output_tokens)))

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk" if self._chat else "text_completion"

    def _body(self, kind: str, choices: list[dict[str, Any]], usage: dict[str, int] | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        if usage is not None:
            body["usage"] = usage
        return body


DONE = b"data: [DONE]\n\n"


def models_body(model: str, context_tokens: int, created: int) -> dict[str, Any]:
    """What `/v1/models` answers."""
    entry = {
        "id": model,
        "object": "model",
        "created": created,
        "owned_by": "baseload",
        "max_model_len": context_tokens,
    }
    return {"object": "list", "data": [entry]}


def _usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _decode(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        missing = re.search(r"missing required field `(\w+)`", what)
        param = ".".join(part for part in (where.strip("`."), missing.group(1) if missing else "") if part)
        raise RequestError(errors.INVALID_FIELD, what, param=param or None) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError(errors.INVALID_JSON, f"the body is not JSON: {error}") from None


def _check(request: _Common, model: str) -> None:
    """Refuse another model and whatever would change the answer but is not supported."""
    _check_model(request.model, model)
    _refuse("n", (request.n or 1) > 1, "only one choice is supported")
    _refuse("best_of", (request.best_of or 1) > 1, "only one choice is supported")
    _refuse("logprobs", bool(request.logprobs), "log probabilities are not supported")
    _refuse("logit_bias", bool(request.logit_bias), "a bias is not supported")


def _check_model(asked: str, served: str) -> None:
    if asked != served:
        raise RequestError(
            errors.MODEL_NOT_FOUND,
            f"the model {asked!r} does not exist; this engine serves {served!r}",
            param="model",
        )


def _refuse(field: str, wrong: bool, why: str) -> None:
    if wrong:
        raise RequestError(errors.INVALID_FIELD, f"{field}: {why}", param=field)


def _ask(kind: Literal["chat", "text"], prompt: Prompt, request: _Common, max_tokens: int | None) -> Ask:
    options = request.stream_options or StreamOptions()
    stop = request.stop or []
    sampling = Sampling(
        max_tokens=max_tokens,
        min_tokens=min(request.min_tokens or 0, max_tokens or request.min_tokens or 0),
        ignore_eos=bool(request.ignore_eos),
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        top_k=max(request.top_k or 0, 0),
        seed=secrets.randbits(62) if request.seed is None else request.seed % (1 << 62),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        frequency_penalty=request.frequency_penalty or 0.0,
        presence_penalty=request.presence_penalty or 0.0,
        repetition_penalty=request.repetition_penalty or 1.0,
    )
    usage = bool(options.include_usage)
    return Ask(
        kind, prompt, sampling, bool(request.stream), usage, usage and bool(options.continuous_usage_stats)
    )


def _chat(messages: list[_ChatMessage]) -> Chat:
    return Chat(tuple(Message(message.role, _content(at, message)) for at, message in enumerate(messages)))


def _content(at: int, message: _ChatMessage) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    for part in message.content:
        _refuse(f"messages[{at}].content", part.type != "text", f"{part.type} parts are not supported")
    return "".join(part.text or "" for part in message.content)


def _prompt(prompt: str | list[str | int | list[int]]) -> Prompt:
    """OpenAI's four forms of `prompt`, one prompt each."""
    if isinstance(prompt, str):
        return Text(prompt)
    ids = [member for member in prompt if isinstance(member, int)]
    if ids and len(ids) == len(prompt):
        return TokenIds(tuple(ids))
    _refuse("prompt", len(prompt) != 1, "one prompt per request is supported")
    only = prompt[0]
    return Text(only) if isinstance(only, str) else TokenIds(tuple(only) if isinstance(only, list) else ())
