"""What the server and the process that runs the model say to each other, and how it is framed.

OpenVINO's `step()` keeps Python's interpreter lock for 15 to 850 ms. In one process every answer, health
check and new connection would wait for it; so the model runs in a process of its own, as vLLM's does, at the
other end of a socket pair. A frame is four bytes of length (big-endian) and a MessagePack list of messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

_LENGTH = struct.Struct(">I")


class Message(Struct, frozen=True, gc=False):
    """One message of a chat, as the model's chat template wants it."""

    role: str
    content: str


class Chat(Struct, frozen=True, tag=True):
    """A conversation; the model's chat template makes the prompt of it."""

    messages: tuple[Message, ...]
    answer_follows: bool = True


class Text(Struct, frozen=True, tag=True):
    """A plain prompt."""

    text: str
    special_tokens: bool = True


class TokenIds(Struct, frozen=True, tag=True):
    """A prompt that the client tokenised itself."""

    tokens: tuple[int, ...]


Prompt = Chat | Text | TokenIds


class Sampling(Struct, frozen=True, gc=False):
    """How an answer is drawn and where it ends. `temperature` 0 is greedy, `top_k` 0 is off.

    `max_tokens` None means up to the context's end. `min_tokens` and `ignore_eos` are vLLM's, for
    answers of exact length.
    """

    max_tokens: int | None = None
    min_tokens: int = 0
    ignore_eos: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0


# server -> worker


class Load(Struct, frozen=True, tag=True):
    """The first message: which model to load, and the engine's limits."""

    path: str
    threads: int
    max_sequences: int
    context_tokens: int
    kv_cache_gib: int


class Generate(Struct, frozen=True, tag=True):
    """Answer this prompt."""

    id: int
    prompt: Prompt
    sampling: Sampling


class Encode(Struct, frozen=True, tag=True):
    """Only count this prompt's tokens."""

    id: int
    prompt: Prompt


class Cancel(Struct, frozen=True, tag=True):
    """Nobody waits for this answer any more."""

    id: int


ToWorker = Load | Generate | Encode | Cancel


# worker -> server


class Ready(Struct, frozen=True, tag=True):
    """The model is loaded and has answered once."""

    load_s: float


class Accepted(Struct, frozen=True, tag=True):
    """The prompt fits and waits for its turn."""

    id: int
    input_tokens: int


class Refused(Struct, frozen=True, tag=True):
    """The request cannot be served: `code` is the error's code, `param` the field that is wrong."""

    id: int
    code: str
    message: str
    param: str | None = None


class Started(Struct, frozen=True, tag=True):
    """The request left the queue."""

    id: int


class Piece(Struct, frozen=True, tag=True):
    """What one step added to an answer. `output_tokens` counts from the start; `finish` ends the answer."""

    id: int
    text: str
    output_tokens: int
    finish: str | None = None


class Encoded(Struct, frozen=True, tag=True):
    """The token ids of a prompt."""

    id: int
    tokens: list[int]


class State(Struct, frozen=True, tag=True):
    """What the engine is busy with after a step; `kv_use` is a fraction."""

    running: int
    waiting: int
    kv_use: float


class Failed(Struct, frozen=True, tag=True):
    """The model could not be loaded; the worker ends."""

    message: str


ToServer = Ready | Accepted | Refused | Started | Piece | Encoded | State | Failed

_encode = msgspec.msgpack.Encoder().encode
_decode_to_worker = msgspec.msgpack.Decoder(list[ToWorker]).decode
_decode_to_server = msgspec.msgpack.Decoder(list[ToServer]).decode


def frame(messages: Sequence[ToWorker] | Sequence[ToServer]) -> bytes:
    """The messages as one frame."""
    payload = _encode(messages)
    return _LENGTH.pack(len(payload)) + payload


class Frames:
    """Finds the frames in what arrives, in pieces of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are complete now."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield payload


def messages_to_worker(frames: Frames, data: bytes) -> Iterable[ToWorker]:
    """The server's messages that are complete with `data`."""
    for payload in frames.feed(data):
        yield from _decode_to_worker(payload)


def messages_to_server(frames: Frames, data: bytes) -> Iterable[ToServer]:
    """The worker's messages that are complete with `data`."""
    for payload in frames.feed(data):
        yield from _decode_to_server(payload)
