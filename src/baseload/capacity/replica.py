"""One replica's continuous batching, simulated: requests in, token times out, the clock passed in.

The life of a step, as the engines schedule it:
1. Sequences that finished left at the end of the last step. 2. If the running ones cannot all grow by a
token, the youngest are preempted: back to the head of the queue, their KV dropped and computed again.
3. Waiting ones are admitted in the order they came while a sequence slot and KV room for their prompt are
free. 4. Every running sequence decodes one token; what is left of the chunk goes to prompts, oldest first.
5. The step takes base + n·per_sequence + k·per_kv_token + m·per_prefill_token (see `predict.py`), and at its
end each decoding sequence, and each whose prompt is complete, has one more token.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import NamedTuple

from baseload.capacity.predict import CHUNK_TOKENS, decode_step_s
from baseload.core import StepTime
from baseload.errors import UsageError


class EventKind(StrEnum):
    """What happened to a request; FIRST_TOKEN and TOKENS bring tokens, FINISHED none."""

    FIRST_TOKEN = "first_token"
    TOKENS = "tokens"
    FINISHED = "finished"


class Event(NamedTuple):
    """`tokens` of request `id` at `time_s`; FINISHED follows the last token and brings none."""

    time_s: float
    id: str
    kind: EventKind
    tokens: int


class _Sequence:
    """A request inside the engine. `held` is its KV; `prefill_left` is what of the prompt is not computed."""

    __slots__ = ("cached", "held", "id", "output", "prefill_left", "produced", "prompt")

    def __init__(self, id: str, prompt: int, output: int, cached: int) -> None:
        self.id = id
        self.prompt = prompt
        self.output = output
        self.cached = cached
        self.produced = 0
        self.held = 0
        self.prefill_left = 0


class _Step(NamedTuple):
    """The step under way: when it ends, who decodes, and how much of whose prompt is prefilled."""

    end_s: float
    decoding: list[_Sequence]
    prefilled: list[tuple[_Sequence, int]]


class Replica:
    """Continuous batching of one replica; every method takes a `now_s` that never goes back.

    Every token has its time: what a twin needs. Whole traces are replayed by `batching.py`, on the same
    schedule. Prompt and answer of a request must fit the KV room together, else UsageError.
    """

    def __init__(self, step: StepTime, *, chunk_tokens: int = CHUNK_TOKENS) -> None:
        self.step = step
        self.chunk_tokens = chunk_tokens
        self.held_tokens = 0
        self.waiting_tokens = 0
        self.preemptions = 0
        self._waiting: deque[_Sequence] = deque()
        self._running: list[_Sequence] = []
        self._known: dict[str, _Sequence] = {}
        self._under_way: _Step | None = None
        self._events: list[Event] = []

    @property
    def running(self) -> int:
        """Sequences admitted and not finished."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests not admitted yet, or preempted."""
        return len(self._waiting)

    @property
    def kv_use(self) -> float:
        """Share of the KV room that is held, 0 to 1."""
        return self.held_tokens / self.step.kv_tokens

    def submit(
        self, now_s: float, id: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0
    ) -> None:
        """Queue a request; it is admitted at the next start of a step, at once on an idle replica.

        `cached_tokens` of the prompt are held by the prefix cache: they take room and no prefill (the last
        prompt token is always computed).
        """
        if id in self._known:
            raise UsageError(f"request {id!r} is already here")
        if input_tokens < 1 or output_tokens < 1:
            raise UsageError("a request has at least one input and one output token")
        if input_tokens + output_tokens > self.step.kv_tokens:
            raise UsageError(
                f"{input_tokens} + {output_tokens} tokens exceed the KV room of {self.step.kv_tokens}",
                hint="shorten the request, or use more GPUs or a lower precision",
            )
        self._run_to(now_s)
        sequence = _Sequence(id, input_tokens, output_tokens, min(cached_tokens, input_tokens - 1))
        self._known[id] = sequence
        self._waiting.append(sequence)
        self.waiting_tokens += input_tokens - sequence.cached
        if self._under_way is None:
            self._begin(now_s)

    def cancel(self, now_s: float, id: str) -> int | None:
        """Drop a request at once and free its KV; the tokens it had produced, or None if it is not here."""
        self._run_to(now_s)
        sequence = self._known.pop(id, None)
        if sequence is None:
            return None
        if sequence in self._waiting:
            self._waiting.remove(sequence)
            self.waiting_tokens -= self._to_prefill(sequence)
            return sequence.produced
        self._running.remove(sequence)
        self.held_tokens -= sequence.held
        sequence.held = 0
        return sequence.produced

    def advance(self, now_s: float) -> list[Event]:
        """Everything that happened since the last call, up to and including `now_s`, in order of time."""
        self._run_to(now_s)
        events, self._events = self._events, []
        return events

    def next_event_s(self) -> float | None:
        """When the current step ends, None on an idle replica; a submit to an idle one can move it."""
        return None if self._under_way is None else self._under_way.end_s

    def _run_to(self, now_s: float) -> None:
        while self._under_way is not None and self._under_way.end_s <= now_s:
            end_s = self._under_way.end_s
            self._end(self._under_way)
            self._begin(end_s)

    def _to_prefill(self, sequence: _Sequence) -> int:
        return sequence.prompt + sequence.produced - sequence.cached

    def _begin(self, now_s: float) -> None:
        self._preempt()
        self._admit()
        if not self._running:
            self._under_way = None
            return
        decoding = [sequence for sequence in self._running if not sequence.prefill_left]
        budget = max(self.chunk_tokens - len(decoding), 1)
        prefilled = []
        for sequence in self._running:
            if sequence.prefill_left and budget:
                part = min(budget, sequence.prefill_left)
                budget -= part
                prefilled.append((sequence, part))
        kv_tokens = sum(sequence.held for sequence in decoding)
        step_s = decode_step_s(self.step, len(decoding) + len(prefilled), kv_tokens)
        step_s += sum(part for _, part in prefilled) * self.step.per_prefill_token_s
        self._under_way = _Step(now_s + step_s, decoding, prefilled)

    def _preempt(self) -> None:
        """Send the youngest back until every running sequence has room for one more token."""
        while self.held_tokens + len(self._running) > self.step.kv_tokens:
            youngest = self._running.pop()
            self.held_tokens -= youngest.held
            youngest.held = youngest.prefill_left = 0
            self._waiting.appendleft(youngest)
            self.waiting_tokens += self._to_prefill(youngest)
            self.preemptions += 1

    def _admit(self) -> None:
        """First come, first admitted; a prompt that does not fit holds up those behind it."""
        while self._waiting and len(self._running) < self.step.max_sequences:
            sequence = self._waiting[0]
            held = sequence.prompt + sequence.produced
            if self.held_tokens + held + len(self._running) + 1 > self.step.kv_tokens:
                return
            self._waiting.popleft()
            self.waiting_tokens -= self._to_prefill(sequence)
            sequence.held = held
            sequence.prefill_left = self._to_prefill(sequence)
            self.held_tokens += held
            self._running.append(sequence)

    def _end(self, step: _Step) -> None:
        for sequence in step.decoding:
            if sequence.held:
                self._produce(step.end_s, sequence)
        for sequence, part in step.prefilled:
            if sequence.held:
                sequence.prefill_left -= part
                if not sequence.prefill_left:
                    self._produce(step.end_s, sequence)
        self._running = [sequence for sequence in self._running if sequence.held]

    def _produce(self, now_s: float, sequence: _Sequence) -> None:
        kind = EventKind.TOKENS if sequence.produced else EventKind.FIRST_TOKEN
        self._events.append(Event(now_s, sequence.id, kind, 1))
        sequence.produced += 1
        sequence.held += 1
        self.held_tokens += 1
        if sequence.produced == sequence.output:
            self._events.append(Event(now_s, sequence.id, EventKind.FINISHED, 0))
            self.held_tokens -= sequence.held
            sequence.held = 0
            del self._known[sequence.id]
