"""The process that runs the model: continuous batching with OpenVINO GenAI, fed and read through a socket.

Its loop: take what the server sent, let waiting requests in while there is room, make one step, hand out
what the step added. Everything between two steps is quick, so a cancelled answer costs at most one more step.
The process ends when the server closes the socket, whatever the reason.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from baseload.engine.link import (
    Accepted,
    Cancel,
    Chat,
    Encode,
    Encoded,
    Failed,
    Frames,
    Generate,
    Load,
    Message,
    Piece,
    Prompt,
    Ready,
    Refused,
    Sampling,
    Started,
    State,
    Text,
    ToServer,
    frame,
    messages_to_worker,
)
from baseload.engine.text import Detokenizer, StopStrings

# OpenVINO's tools report usage where this package is found; the engine never does.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import numpy as np  # noqa: E402
import openvino as ov  # type: ignore[import-untyped]  # noqa: E402
import openvino_genai as genai  # noqa: E402

_RECEIVE_BYTES = 1 << 16
_FINISH = {genai.GenerationFinishReason.STOP: "stop", genai.GenerationFinishReason.LENGTH: "length"}


class _Waiting(Struct):
    """A request that fits and waits for room."""

    id: int
    tokens: list[int]
    sampling: Sampling


class _Running:
    """A request that the model is working on."""

    def __init__(self, waiting: _Waiting, handle: genai.GenerationHandle, tokenizer: genai.Tokenizer) -> None:
        self.id = waiting.id
        self.handle = handle
        self.output_tokens = 0
        self._text = Detokenizer(tokenizer.decode)
        self._stops = StopStrings(waiting.sampling.stop)

    def collect(self) -> Piece | None:
        """What the last step added; None where nothing may be sent yet."""
        text, finish = "", None
        while finish is None and self.handle.can_read():
            for output in self.handle.read().values():
                self.output_tokens += len(output.generated_ids)
                finish = _FINISH.get(output.finish_reason)
                new = self._text.push(output.generated_ids) + (self._text.flush() if finish else "")
                safe, stopped = self._stops.push(new)
                text += safe
                if stopped:
                    finish = "stop"
                    self.handle.cancel()
                elif finish:
                    text += self._stops.flush()
        if finish is None and self.handle.get_status() != genai.GenerationStatus.RUNNING:
            finish = "error"  # the cache is full and nothing can be preempted
        if not text and finish is None:
            return None
        return Piece(self.id, text, self.output_tokens, finish)


class Worker:
    """The loop and its state: requests waiting in order of arrival, and those running."""

    def __init__(self, link: socket.socket, load: Load) -> None:
        self._link = link
        self._frames = Frames()
        self._limits = load
        self._waiting: deque[_Waiting] = deque()
        self._running: dict[int, _Running] = {}
        self._out: list[ToServer] = []
        self._state = State(0, 0, 0.0)
        scheduler = genai.SchedulerConfig()
        scheduler.cache_size = load.kv_cache_gib
        self._pipeline = genai.ContinuousBatchingPipeline(
            load.path, scheduler, "CPU", {"INFERENCE_NUM_THREADS": load.threads} if load.threads else {}
        )
        self._tokenizer = self._pipeline.get_tokenizer()
        self._eos = self._tokenizer.get_eos_token_id()
        self._vocabulary = len(self._tokenizer.get_vocab())
        self._warm_up()

    def run(self) -> None:
        """Serve until the server closes the socket."""
        while self._receive():
            self._admit()
            self._report()
            if self._pipeline.has_non_finished_requests():
                self._pipeline.step()
                self._collect()
                self._report()

    def _warm_up(self) -> None:
        """The first step allocates and compiles for up to a second: no request should pay for it."""
        handle = self._add(_Waiting(0, [self._eos], Sampling(max_tokens=2, ignore_eos=True)))
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
        handle.read_all()

    def _receive(self) -> bool:
        """Handle what the server sent; waits for it only while there is nothing to do. False: it is gone."""
        busy = self._waiting or self._pipeline.has_non_finished_requests()
        patience = 0 if busy else None
        while select.select([self._link], [], [], patience)[0]:
            data = self._link.recv(_RECEIVE_BYTES)
            if not data:
                return False
            for message in messages_to_worker(self._frames, data):
                self._handle(message)
            patience = 0
        return True

    def _handle(self, message: object) -> None:
        if isinstance(message, Generate):
            self._accept(message)
        elif isinstance(message, Cancel):
            self._cancel(message.id)
        elif isinstance(message, Encode):
            tokens = self._encode(message.id, message.prompt)
            if tokens is not None:
                self._out.append(Encoded(message.id, tokens))

    def _accept(self, ask: Generate) -> None:
        tokens = self._encode(ask.id, ask.prompt)
        if tokens is None:
            return
        field = "messages" if isinstance(ask.prompt, Chat) else "prompt"
        if not tokens:
            self._out.append(Refused(ask.id, "invalid_field", "the prompt has no tokens", field))
            return
        problem = _length_problem(len(tokens), ask.sampling.max_tokens, self._limits.context_tokens)
        if problem is not None:
            self._out.append(Refused(ask.id, "context_length_exceeded", problem, field))
            return
        self._waiting.append(_Waiting(ask.id, tokens, ask.sampling))
        self._out.append(Accepted(ask.id, len(tokens)))

    def _encode(self, request: int, prompt: Prompt) -> list[int] | None:
        """The prompt's token ids; None after refusing it."""
        special_tokens = False
        if isinstance(prompt, Chat):
            try:
                text = self._tokenizer.apply_chat_template(
                    [_as_dict(message) for message in prompt.messages], prompt.answer_follows
                )
            except RuntimeError as error:
                reason = f"the model's chat template refuses these messages: {error}"
                self._out.append(Refused(request, "invalid_field", reason, "messages"))
                return None
        elif isinstance(prompt, Text):
            text, special_tokens = prompt.text, prompt.special_tokens
        else:
            wrong = [token for token in prompt.tokens if not 0 <= token < self._vocabulary]
            if wrong:
                reason = f"token id {wrong[0]} is not in the vocabulary of {self._vocabulary}"
                self._out.append(Refused(request, "invalid_field", reason, "prompt"))
                return None
            return list(prompt.tokens)
        encoded = self._tokenizer.encode(text, add_special_tokens=special_tokens)
        return [int(token) for token in encoded.input_ids.data[0]]

    def _cancel(self, request: int) -> None:
        running = self._running.pop(request, None)
        if running is not None:
            running.handle.cancel()  # freed by the next step
        else:
            self._waiting = deque(waiting for waiting in self._waiting if waiting.id != request)

    def _admit(self) -> None:
        """OpenVINO's own `max_num_seqs` does not cap what it schedules, so the limit is kept here."""
        while self._waiting and len(self._running) < self._limits.max_sequences:
            waiting = self._waiting.popleft()
            self._running[waiting.id] = _Running(waiting, self._add(waiting), self._tokenizer)
            self._out.append(Started(waiting.id))

    def _add(self, waiting: _Waiting) -> genai.GenerationHandle:
        ask = waiting.sampling
        left = self._limits.context_tokens - len(waiting.tokens)
        config = genai.GenerationConfig(
            max_new_tokens=min(ask.max_tokens or left, left),
            min_new_tokens=ask.min_tokens,
            eos_token_id=self._eos,
            ignore_eos=ask.ignore_eos,
            apply_chat_template=False,
            do_sample=ask.temperature > 0,
            frequency_penalty=ask.frequency_penalty,
            presence_penalty=ask.presence_penalty,
            repetition_penalty=ask.repetition_penalty,
        )
        if ask.temperature > 0:
            config.temperature, config.top_p, config.rng_seed = ask.temperature, ask.top_p, ask.seed
            if ask.top_k > 0:
                config.top_k = ask.top_k
        prompt = ov.Tensor(np.array([waiting.tokens], dtype=np.int64))
        return self._pipeline.add_request(waiting.id, prompt, config)

    def _collect(self) -> None:
        for running in list(self._running.values()):
            piece = running.collect()
            if piece is not None:
                self._out.append(piece)
                if piece.finish is not None:
                    del self._running[running.id]

    def _report(self) -> None:
        """Send what happened, and the state after it where it changed."""
        use = self._pipeline.get_metrics().cache_usage / 100 if self._running else 0.0
        state = State(len(self._running), len(self._waiting), use)
        if state != self._state:
            self._out.append(state)
            self._state = state
        if self._out:
            self._link.sendall(frame(self._out))
            self._out = []


def _as_dict(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _length_problem(input_tokens: int, max_tokens: int | None, context_tokens: int) -> str | None:
    """Why a request does not fit the context, in vLLM's words as far as clients look for them."""
    room = context_tokens - input_tokens
    if room >= (max_tokens or 1):
        return None
    asked = f"{max_tokens} output tokens" if max_tokens else "an answer"
    return (
        f"This model's maximum context length is {context_tokens} tokens. However, you requested {asked} "
        f"and your prompt contains {input_tokens} input tokens."
    )


def _first_message(link: socket.socket) -> Load:
    frames = Frames()
    while data := link.recv(_RECEIVE_BYTES):
        for message in messages_to_worker(frames, data):
            assert isinstance(message, Load)
            return message
    raise SystemExit(0)


def main(arguments: Sequence[str]) -> None:
    """Run the worker on the socket whose file descriptor is the only argument."""
    # The server decides when to stop; a signal to the whole process group must not cut running answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    link = socket.socket(fileno=int(arguments[0]))
    load = _first_message(link)
    begin = time.monotonic()
    try:
        worker = Worker(link, load)
    except RuntimeError as error:  # OpenVINO's only error type
        link.sendall(frame([Failed(str(error))]))
        raise SystemExit(3) from error
    link.sendall(frame([Ready(time.monotonic() - begin)]))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the server is gone
        worker.run()


if __name__ == "__main__":
    main(sys.argv[1:])
