"""Engines' own metrics, once a second: how many run and wait there, and how full the KV cache is.

What the gateway counts itself is immediate; a report adds what others have put on the same replica. A replica
without metrics, or one that answers late, is judged by our own counts alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import NamedTuple

from baseload.core import Side
from baseload.gateway.body import WholeBody
from baseload.gateway.site import Place
from baseload.gateway.upstream import UpstreamConnection
from baseload.policy.load import EngineReport
from baseload.wire.http1 import ResponseHead, UpstreamSyntax

MAX_REPORT = 4 * 1024 * 1024
SCRAPE_TIMEOUT_S = 2.0

_log = logging.getLogger("baseload.gateway")


class EngineMetrics(NamedTuple):
    """Where an engine tells, and what it calls the three numbers; None where it has no such metric."""

    path: bytes
    running: str
    waiting: str
    kv_use: str | None


ENGINE_METRICS: dict[str, EngineMetrics] = {
    "vllm": EngineMetrics(
        b"/metrics", "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"
    ),
    "openvino": EngineMetrics(
        b"/metrics", "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"
    ),
    "sglang": EngineMetrics(
        b"/metrics", "sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:token_usage"
    ),
    "tensorrt-llm": EngineMetrics(
        b"/prometheus/metrics",
        "trtllm_num_requests_running",
        "trtllm_num_requests_waiting",
        "trtllm_kv_cache_utilization",
    ),
    "tgi": EngineMetrics(b"/metrics", "tgi_batch_current_size", "tgi_queue_size", None),
    "llama.cpp": EngineMetrics(
        b"/metrics", "llamacpp:requests_processing", "llamacpp:requests_deferred", None
    ),
}
"""Names as the engines' sources and documentation give them (vLLM 0.32, SGLang 0.5.23, TensorRT-LLM's
trtllm-serve, TGI, llama.cpp server; read 2026-11)."""


def parse_report(text: str, names: EngineMetrics, at_s: float) -> EngineReport | None:
    """The three numbers in a metrics page, summed over its label sets; None where it lacks them."""
    running, waiting = _sum(text, names.running), _sum(text, names.waiting)
    if running is None or waiting is None:
        return None
    kv_use = _sum(text, names.kv_use) if names.kv_use is not None else None
    return EngineReport(int(running), int(waiting), min(kv_use or 0.0, 1.0), at_s)


def _sum(text: str, name: str) -> float | None:
    pattern = rf"^{re.escape(name)}(?:\{{[^}}\n]*\}})? +([0-9.eE+-]+)"
    found = [float(value) for value in re.findall(pattern, text, re.MULTILINE)]
    return sum(found) if found else None


class Scrape:
    """One question to one replica; a `Receiver` of its pool."""

    def __init__(self, place: Place, names: EngineMetrics, now_s: Callable[[], float]) -> None:
        self._place = place
        self._names = names
        self._now_s = now_s
        self._connection: UpstreamConnection | None = None
        self._head: ResponseHead | None = None
        self._body: WholeBody | None = None
        self.deadline_s = now_s() + SCRAPE_TIMEOUT_S
        self.over = False
        place.pool.take(self)

    def connected(self, connection: UpstreamConnection) -> None:
        if self.over:
            connection.release(reusable=True)
            return
        self._connection = connection
        pool = self._place.pool
        path = pool.base_path.removesuffix(b"/v1") + self._names.path
        head = b"GET %b HTTP/1.1\r\nhost: %b\r\naccept: text/plain\r\n\r\n" % (path, pool.authority)
        connection.send(self, head, b"")

    def connect_failed(self, _error: Exception) -> None:
        self.over = True

    def target_slow(self, slow: bool) -> None:
        """The question is short."""

    def response_head(self, head: ResponseHead, body: bytes) -> None:
        self._head = head
        try:
            self._body = WholeBody(head, MAX_REPORT)
        except UpstreamSyntax:
            self.give_up()
            return
        if body or head.length == 0:
            self.response_body(body)

    def response_body(self, data: bytes) -> None:
        assert self._body is not None
        try:
            whole = self._body.feed(data)
        except UpstreamSyntax:
            self.give_up()
            return
        if whole is not None:
            self._take(whole)

    def response_closed(self, _error: Exception | None) -> None:
        self._connection = None
        whole = self._body.closed() if self._body is not None else None
        if whole is not None:
            self._take(whole)
        self.over = True

    def defect(self) -> None:
        _log.exception("a report of target %s could not be read", self._place.target.name)
        self.give_up()

    def give_up(self) -> None:
        """It takes too long, or is no such page."""
        self._end(reusable=False)

    def _take(self, whole: bytes) -> None:
        head = self._head
        assert head is not None
        self._end(reusable=head.keep_alive)
        if head.status == 200:
            report = parse_report(whole.decode("utf-8", "replace"), self._names, self._now_s())
            if report is not None:
                self._place.load.report(report)

    def _end(self, *, reusable: bool) -> None:
        self.over = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release(reusable=reusable)


class Scraper:
    """Asks every owned replica whose engine has metrics; one question at a time each."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._running: dict[str, Scrape] = {}

    def ask(self, places: dict[str, Place]) -> None:
        """Begin the questions that are due; give up on those that take too long. Called once a second."""
        now_s = self._now_s()
        for name, scrape in tuple(self._running.items()):
            if not scrape.over and now_s < scrape.deadline_s:
                continue
            if not scrape.over:
                scrape.give_up()
            del self._running[name]
        for name, place in places.items():
            names = ENGINE_METRICS.get(place.target.engine or "")
            if place.target.side is Side.OWNED and names is not None and name not in self._running:
                self._running[name] = Scrape(place, names, self._now_s)
