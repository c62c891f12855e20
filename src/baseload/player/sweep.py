"""Measures an endpoint under a closed loop: so many requests at once, for every shape, within bounds.

Closed loop, since that is what capacity tables are made of: a worker sends its next request when the last
one ended. (Real arrivals do not wait; `play.py` is for those.) Metrics as in docs/capacity.md: TTFT from
sending to the first token, TPOT = (last − first) / (output tokens − 1), means over requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import Struct

from baseload.core import Slo
from baseload.errors import EnvironmentProblem
from baseload.player.client import Client, Endpoint, Heard, chat_body
from baseload.player.prompts import PromptLengths, Prompts
from baseload.player.result import percentile


class Shape(NamedTuple):
    """Prompt and answer of every request, in tokens."""

    input_tokens: int
    output_tokens: int


class SweepSettings(Struct, frozen=True):
    """How an endpoint is measured, and what bounds it.

    Each point sends `rounds` requests per worker and counts those after the first of each, which start
    together. No request is sent once `most_requests` were, or `most_s` seconds have passed.
    """

    model: str
    rounds: int = 4
    most_requests: int = 2000
    most_s: float = 900.0
    timeout_s: float = 120.0
    seed: int = 0
    ignore_eos: bool = True
    lengths: PromptLengths = PromptLengths()


class Measured(Struct, frozen=True):
    """One point: what was asked, and what came; tokens are the endpoint's own count.

    `concurrency` is how many requests were open on average while the counted ones ran.
    """

    asked: int
    concurrency: float
    input_tokens: float
    output_tokens: float
    ttft_ms: float
    tpot_ms: float
    ttft_p99_ms: float
    tpot_p99_ms: float
    output_tokens_per_s: float
    requests: int
    failed: int
    duration_s: float

    def keeps(self, slo: Slo) -> bool:
        """Whether the means are within the SLO and nothing failed."""
        return not self.failed and self.ttft_ms <= slo.ttft_s * 1e3 and self.tpot_ms <= slo.tpot_s * 1e3


class _Exchange(NamedTuple):
    sent_s: float
    end_s: float
    heard: Heard


Watch = Callable[[str, int, int], None]
"""Told what runs, how many requests have ended, and how many this point has."""


class Sweep:
    """Measures point after point on one endpoint; `stopped` says which bound ended it, if one has."""

    def __init__(self, endpoint: Endpoint, settings: SweepSettings, watch: Watch | None = None) -> None:
        self.stopped: str | None = None
        self.sent = 0
        self._client = Client(endpoint)
        self._settings = settings
        self._watch = watch
        self._prompts = Prompts(settings.seed, settings.lengths)
        self._begin_s = time.monotonic()

    async def learn_lengths(self) -> None:
        """Ask two prompts of known words, so that later ones have the tokens they should.

        Raises EnvironmentProblem where nothing answers. An endpoint that counts no tokens teaches nothing.
        """
        words, tokens = (64, 512), []
        for number, count in enumerate(words):
            plain = Prompts(self._settings.seed, PromptLengths(0, 1.0), unique=False)
            body = chat_body(self._settings.model, plain.make(number, count), 2, {})
            heard = await self._client.chat(body, self._settings.timeout_s)
            self.sent += 1
            if heard.error is not None:
                raise EnvironmentProblem(
                    f"the endpoint answered {heard.error}",
                    hint="is the URL right (it ends in /v1), and does it serve this model?",
                )
            tokens.append(heard.tokens.input if heard.tokens else 0)
        per_word = (tokens[1] - tokens[0]) / (words[1] - words[0])
        if per_word > 0:
            overhead = max(round(tokens[0] - per_word * words[0]), 0)
            self._prompts = Prompts(self._settings.seed, PromptLengths(overhead, per_word))

    async def run(self, shapes: Iterable[Shape], concurrencies: Iterable[int]) -> list[Measured]:
        """Every shape at every concurrency, until a bound is met."""
        levels = sorted(set(concurrencies))
        found = []
        try:
            await self.learn_lengths()
            for shape in shapes:
                for level in levels:
                    point = await self.point(shape, level)
                    if point is not None:
                        found.append(point)
        finally:
            await self._client.close()
        return found

    async def largest(self, shape: Shape, slo: Slo, most: int) -> tuple[Measured | None, list[Measured]]:
        """The largest concurrency up to `most` that keeps the SLO, doubling and then halving; all points."""
        seen: list[Measured] = []

        async def keeps(level: int) -> bool:
            point = await self.point(shape, level)
            if point is not None:
                seen.append(point)
            return point is not None and point.keeps(slo)

        try:
            await self.learn_lengths()
            low, high = 0, 1
            while high <= most and await keeps(high):
                low, high = high, min(2 * high, most) if high < most else most + 1
            high = min(high, most + 1)
            while high - low > max(1, low // 8) and self.stopped is None:  # within an eighth is within noise
                middle = (low + high) // 2
                low, high = (middle, high) if await keeps(middle) else (low, middle)
        finally:
            await self._client.close()
        return next((point for point in seen if point.asked == low), None), seen

    async def point(self, shape: Shape, concurrency: int) -> Measured | None:
        """One point; None where a bound left nothing to count. Raises where nothing answers at all."""
        wanted = concurrency * self._settings.rounds
        left = min(wanted, self._settings.most_requests - self.sent)
        if left < wanted:
            self.stopped = self.stopped or f"{self._settings.most_requests} requests"
        if self.stopped is not None:
            return None
        done: list[_Exchange] = []
        numbers = iter(range(self.sent, self.sent + left))
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(self._work(shape, numbers, done, f"{concurrency} x {shape}", left))
        return _measured(concurrency, done)

    async def _work(
        self, shape: Shape, numbers: Iterable[int], done: list[_Exchange], name: str, wanted: int
    ) -> None:
        settings = self._settings
        extra: dict[str, object] = {"ignore_eos": True} if settings.ignore_eos else {}
        for number in numbers:
            if time.monotonic() - self._begin_s > settings.most_s:
                self.stopped = self.stopped or f"{settings.most_s:g} s"
                return
            prompt = self._prompts.make(number, shape.input_tokens)
            body = chat_body(settings.model, prompt, shape.output_tokens, extra)
            self.sent += 1
            sent_s = time.monotonic()
            heard = await self._client.chat(body, settings.timeout_s)
            done.append(_Exchange(sent_s, time.monotonic(), heard))
            if self._watch is not None:
                self._watch(name, len(done), wanted)


def _measured(asked: int, done: list[_Exchange]) -> Measured | None:
    good = [each for each in done if each.heard.error is None and each.heard.tokens and each.heard.first_s]
    if done and not good:
        first = done[0].heard
        raise EnvironmentProblem(
            f"nothing was answered: {first.error or first.status}",
            hint="is the URL right (it ends in /v1), does the endpoint serve this model and report usage?",
        )
    starts = sorted(each.sent_s for each in good)
    begin_s = starts[min(asked, len(starts) - 1)] if len(starts) > asked else (starts[0] if starts else 0.0)
    counted = [each for each in good if each.sent_s >= begin_s and _tpot_s(each) is not None]
    if not counted:
        return None
    end_s = max(each.end_s for each in counted)
    duration_s = end_s - begin_s
    ttft_s = sorted((each.heard.first_s or 0.0) - each.sent_s for each in counted)
    tpot_s = sorted(value for each in counted if (value := _tpot_s(each)) is not None)
    open_s = sum(min(each.end_s, end_s) - max(each.sent_s, begin_s) for each in done if each.end_s > begin_s)
    tokens = [each.heard.tokens for each in counted if each.heard.tokens]
    return Measured(
        asked=asked,
        concurrency=open_s / duration_s,
        input_tokens=sum(each.input for each in tokens) / len(tokens),
        output_tokens=sum(each.output for each in tokens) / len(tokens),
        ttft_ms=sum(ttft_s) / len(ttft_s) * 1e3,
        tpot_ms=sum(tpot_s) / len(tpot_s) * 1e3,
        ttft_p99_ms=(percentile(ttft_s, 99) or 0.0) * 1e3,
        tpot_p99_ms=(percentile(tpot_s, 99) or 0.0) * 1e3,
        output_tokens_per_s=sum(each.output for each in tokens) / duration_s,
        requests=len(counted),
        failed=len(done) - len(good),
        duration_s=duration_s,
    )


def _tpot_s(each: _Exchange) -> float | None:
    heard = each.heard
    if heard.first_s is None or heard.last_s is None or heard.tokens is None or heard.tokens.output < 2:
        return None
    value = (heard.last_s - heard.first_s) / (heard.tokens.output - 1)
    return value if value > 0 else None
