"""How fast the engine is on this machine right now: a handful of requests, and the step time they show."""

from __future__ import annotations

import asyncio
import statistics
import time

from msgspec import Struct

from baseload.capacity.predict import room_ns
from baseload.core import StepTime, Tokens
from baseload.errors import EnvironmentProblem
from baseload.player.client import Client, Endpoint, Heard, chat_body
from baseload.player.prompts import PromptLengths, Prompts
from baseload.traffic.table import Traffic

SHORT_PROMPT, LONG_PROMPT = 48, 448
ANSWER_TOKENS = 24
ROUNDS = 2
_TIMEOUT_S = 30.0
_LEAST_S = 1e-9


class Measured(Struct, frozen=True):
    """What the requests showed: the step time, and how words become tokens with the engine's template."""

    step: StepTime
    lengths: PromptLengths


async def measure_engine(endpoint: Endpoint, model: str, *, max_sequences: int, kv_tokens: int) -> Measured:
    """Ask a few questions, alone and together; takes about four seconds on two cores.

    Decode steps with one and with `max_sequences` running give base and per-sequence time, a long prompt
    against a short one gives the time per prompt token. EnvironmentProblem where the engine does not answer.
    """
    probe = _Probe(Client(endpoint), model)
    try:
        await probe.ask(SHORT_PROMPT, 2)  # the first question pays for connections
        lengths = PromptLengths(overhead_tokens=await probe.overhead())
        alone, together, long = [], [], []
        for _ in range(ROUNDS):
            alone.append(await probe.ask(SHORT_PROMPT, ANSWER_TOKENS))
            asked = (probe.ask(SHORT_PROMPT, ANSWER_TOKENS) for _ in range(max_sequences))
            together += await asyncio.gather(*asked)
            long.append(await probe.ask(LONG_PROMPT, 8))
    finally:
        await probe.client.close()
    return Measured(_step_time(alone, together, long, max_sequences, kv_tokens), lengths)


def _step_time(
    alone: list[_Timed], together: list[_Timed], long: list[_Timed], max_sequences: int, kv_tokens: int
) -> StepTime:
    # The least of each: what the machine does when nothing else runs on it.
    one_s = min(timed.tpot_s for timed in alone)
    all_s = min(timed.tpot_s for timed in together)
    per_sequence_s = max((all_s - one_s) / (max_sequences - 1), _LEAST_S) if max_sequences > 1 else _LEAST_S
    longer = statistics.mean(timed.input_tokens for timed in long) - alone[0].input_tokens
    short_ttft_s = min(timed.ttft_s for timed in alone)
    long_ttft_s = min(timed.ttft_s for timed in long)
    long_tpot_s = min(timed.tpot_s for timed in long)
    return StepTime(
        base_s=max(one_s - per_sequence_s, _LEAST_S),
        per_sequence_s=per_sequence_s,
        per_kv_token_s=max((long_tpot_s - one_s) / longer, _LEAST_S),
        per_prefill_token_s=max((long_ttft_s - short_ttft_s) / longer, _LEAST_S),
        kv_tokens=kv_tokens,
        max_sequences=max_sequences,
        error=0.25,
        source="measured on this machine by the demo",
    )


def requests_per_s(step: StepTime, traffic: Traffic) -> float:
    """How many requests like these a full engine serves a second: one over the mean room they take."""
    lengths = zip(traffic.input_tokens.tolist(), traffic.output_tokens.tolist(), strict=True)
    room_s = [room_ns(step, Tokens(input=input_, output=output)) / 1e9 for input_, output in lengths]
    return 1.0 / statistics.mean(room_s)


class _Timed(Struct, frozen=True):
    ttft_s: float
    tpot_s: float
    input_tokens: int


class _Probe:
    def __init__(self, client: Client, model: str) -> None:
        self.client = client
        self._model = model
        self._prompts = Prompts(0, PromptLengths(overhead_tokens=0), unique=False)
        self._asked = 0

    async def overhead(self) -> int:
        """Input tokens beside the words: the chat template's own."""
        words = 32
        timed = await self.ask(words, 2)
        return max(timed.input_tokens - words, 0)

    async def ask(self, words: int, output_tokens: int) -> _Timed:
        self._asked += 1
        prompt = self._prompts.make(self._asked, words)
        begin_s = time.monotonic()
        heard = await self.client.chat(
            chat_body(self._model, prompt, output_tokens, {"ignore_eos": True, "temperature": 0.0}),
            _TIMEOUT_S,
        )
        return _timed(heard, begin_s)


def _timed(heard: Heard, begin_s: float) -> _Timed:
    if heard.error or heard.first_s is None or heard.last_s is None or heard.tokens is None:
        raise EnvironmentProblem(f"the engine did not answer: {heard.error or heard.status}")
    steps = max(heard.tokens.output - 1, 1)
    return _Timed(heard.first_s - begin_s, (heard.last_s - heard.first_s) / steps, heard.tokens.input)
