"""Open loop: every request is sent when it is due, whether or not earlier ones are answered.

That is how real clients load a service: a player that waits for answers slows down with it and hides the
queue (coordinated omission). What the player itself is late by is measured and reported.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from baseload.core import TokenPrice, Tokens
from baseload.money import token_cost
from baseload.player.client import Client, Endpoint, Heard, chat_body
from baseload.player.prompts import PromptLengths, Prompts
from baseload.player.result import Played, Reply, Snapshot, total
from baseload.traffic.table import Traffic

Watch = Callable[[Snapshot, Sequence[Reply]], None]
"""Called with the play's state and all replies so far (read them, keep a copy)."""

RECENT_S = 5.0
"""What a snapshot calls recent."""


class Gate(Protocol):
    """Decides before each request whether it may be sent; a refusal ends the play."""

    def admit(self, request: int, input_tokens: int, output_tokens: int) -> bool:
        """Whether this request may still be sent."""

    def done(self, reply: Reply) -> None:
        """A request that was admitted ended so."""


class PlaySettings(Struct, frozen=True):
    """How traffic is played.

    `model` None asks for each request's own model. `ignore_eos` (vLLM's) makes answers as long as the traffic
    says; a provider's API may refuse it. `prices` per target give costs where no header tells them. Beyond
    `most_open` requests at once, further ones are held and counted.
    """

    model: str | None = None
    seed: int = 0
    lengths: PromptLengths = PromptLengths()
    unique_prompts: bool = True
    ignore_eos: bool = False
    temperature: float | None = None
    timeout_s: float = 120.0
    most_open: int = 512
    snapshot_s: float = 0.5
    prices: Mapping[str, TokenPrice] = {}


async def play(
    traffic: Traffic,
    endpoint: Endpoint,
    settings: PlaySettings,
    *,
    watch: Watch | None = None,
    gate: Gate | None = None,
) -> Played:
    """Send every request of the traffic when it is due, and hear every answer out.

    `watch` is called every `settings.snapshot_s`; what it raises ends the play and is raised. Cancelling
    closes every open request.
    """
    player = _Player(traffic, endpoint, settings, gate)
    return await player.run(watch)


class _Player:
    def __init__(
        self, traffic: Traffic, endpoint: Endpoint, settings: PlaySettings, gate: Gate | None
    ) -> None:
        self._traffic = traffic
        self._settings = settings
        self._gate = gate
        self._client = Client(endpoint)
        self._prompts = Prompts(settings.seed, settings.lengths, unique=settings.unique_prompts)
        self._room = asyncio.Semaphore(settings.most_open)
        self._replies: list[Reply] = []
        self._sent = 0
        self._held = 0
        self._stopped = False
        self._begin_s = 0.0

    async def run(self, watch: Watch | None) -> Played:
        self._begin_s = time.monotonic()
        try:
            async with asyncio.TaskGroup() as around:
                watching = around.create_task(self._watch(watch)) if watch else None
                async with asyncio.TaskGroup() as requests:
                    await self._send_all(requests)
                if watching is not None:
                    watching.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            await self._client.close()
        replies = tuple(sorted(self._replies, key=lambda reply: reply.request))
        return Played(replies, self._now_s(), self._held, self._stopped)

    async def _send_all(self, requests: asyncio.TaskGroup) -> None:
        traffic = self._traffic
        for request, due_s in enumerate(traffic.arrival_s.tolist()):
            body = self._body(request)  # made before it is due
            await asyncio.sleep(due_s - self._now_s())
            if self._room.locked():
                self._held += 1
            await self._room.acquire()
            lengths = int(traffic.input_tokens[request]), int(traffic.output_tokens[request])
            if self._gate is not None and not self._gate.admit(request, *lengths):
                self._stopped = True
                return
            self._sent += 1
            requests.create_task(self._ask(request, due_s, body))

    def _body(self, request: int) -> bytes:
        traffic, settings = self._traffic, self._settings
        model = settings.model or traffic.models[traffic.model[request]]
        prompt = self._prompts.make(request, int(traffic.input_tokens[request]))
        extra: dict[str, object] = {}
        if settings.ignore_eos:
            extra["ignore_eos"] = True
        if settings.temperature is not None:
            extra["temperature"] = settings.temperature
        return chat_body(model, prompt, max(1, int(traffic.output_tokens[request])), extra)

    async def _ask(self, request: int, due_s: float, body: bytes) -> None:
        sent_s = self._now_s()
        try:
            heard = await self._client.chat(body, self._settings.timeout_s)
        finally:
            self._room.release()
        reply = self._reply(request, due_s, sent_s, heard)
        self._replies.append(reply)
        if self._gate is not None:
            self._gate.done(reply)

    def _reply(self, request: int, due_s: float, sent_s: float, heard: Heard) -> Reply:
        tokens = heard.tokens or Tokens()
        cost_nano = heard.cost_nano
        if cost_nano is None and heard.target in self._settings.prices:
            cost_nano = token_cost(tokens, self._settings.prices[heard.target])
        return Reply(
            request=request,
            due_s=due_s,
            sent_s=sent_s,
            end_s=self._now_s(),
            status=heard.status,
            first_s=None if heard.first_s is None else heard.first_s - self._begin_s,
            last_s=None if heard.last_s is None else heard.last_s - self._begin_s,
            error=heard.error,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            counted=heard.tokens is not None,
            target=heard.target,
            reason=heard.reason,
            cost_nano=cost_nano,
        )

    async def _watch(self, watch: Watch) -> None:
        while True:
            await asyncio.sleep(self._settings.snapshot_s)
            watch(self._snapshot(), self._replies)

    def _snapshot(self) -> Snapshot:
        now_s = self._now_s()
        recent = [reply for reply in self._replies if reply.end_s > now_s - RECENT_S]
        due = int(self._traffic.arrival_s.searchsorted(now_s, side="right"))
        return Snapshot(
            at_s=now_s,
            due=due,
            sent=self._sent,
            open=self._sent - len(self._replies),
            recent=total(recent),
            recent_s=min(now_s, RECENT_S),
            so_far=total(self._replies),
            late_s=max((reply.late_s for reply in recent), default=0.0),
        )

    def _now_s(self) -> float:
        return time.monotonic() - self._begin_s


def _first(group: BaseExceptionGroup) -> BaseException:
    """The first error in a group of errors and groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
