"""What came of a play: a reply per request, sums over them, and the same over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from baseload.core import Reason

OWNED_REASONS = frozenset({Reason.OWNED.value})
SPILL_REASONS = frozenset({Reason.SPILL.value})


class Reply(Struct, frozen=True):
    """What came of one request. Times are seconds since the play began.

    `status` 0: no answer at all. `error` is the error's code, also of one within a stream, None if all went
    well. Tokens are the endpoint's own count; where it sent none they are 0 and `counted` is False.
    `target` and `reason` are a baseload gateway's headers. `cost_nano` is None where no price is known.
    """

    request: int
    due_s: float
    sent_s: float
    end_s: float
    status: int
    first_s: float | None = None
    last_s: float | None = None
    error: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    counted: bool = False
    target: str = ""
    reason: str = ""
    cost_nano: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the whole answer came."""
        return self.status == 200 and self.error is None

    @property
    def ttft_s(self) -> float | None:
        """Time to first token, from the moment the request was sent."""
        return None if self.first_s is None else self.first_s - self.sent_s

    @property
    def tpot_s(self) -> float | None:
        """Mean time per output token after the first."""
        if self.first_s is None or self.last_s is None or self.output_tokens < 2:
            return None
        return (self.last_s - self.first_s) / (self.output_tokens - 1)

    @property
    def late_s(self) -> float:
        """How long after its due time the player sent it: the player's own fault, never the endpoint's."""
        return self.sent_s - self.due_s


class Totals(Struct, frozen=True):
    """Sums over some replies. Percentiles are nearest-rank, None where nothing came.

    `owned` and `spilled` go by the gateway's reason; `other` are answers for another reason or none.
    """

    requests: int
    owned: int
    spilled: int
    other: int
    failed: int
    ttft_p50_s: float | None
    ttft_p99_s: float | None
    tpot_p50_s: float | None
    input_tokens: int
    output_tokens: int
    cost_nano: int
    reasons: dict[str, int]
    errors: dict[str, int]


def total(replies: Iterable[Reply]) -> Totals:
    """Sum these replies up."""
    replies = list(replies)
    good = [reply for reply in replies if reply.ok]
    owned = sum(reply.reason in OWNED_REASONS for reply in good)
    spilled = sum(reply.reason in SPILL_REASONS for reply in good)
    ttft_s = sorted(value for reply in good if (value := reply.ttft_s) is not None)
    tpot_s = sorted(value for reply in good if (value := reply.tpot_s) is not None)
    return Totals(
        requests=len(replies),
        owned=owned,
        spilled=spilled,
        other=len(good) - owned - spilled,
        failed=len(replies) - len(good),
        ttft_p50_s=percentile(ttft_s, 50),
        ttft_p99_s=percentile(ttft_s, 99),
        tpot_p50_s=percentile(tpot_s, 50),
        input_tokens=sum(reply.input_tokens for reply in replies),
        output_tokens=sum(reply.output_tokens for reply in replies),
        cost_nano=sum(reply.cost_nano or 0 for reply in replies),
        reasons=dict(Counter(reply.reason for reply in good)),
        errors=dict(Counter(reply.error or str(reply.status) for reply in replies if not reply.ok)),
    )


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile of sorted values."""
    if not ordered:
        return None
    rank = -(-len(ordered) * percent // 100)  # ceil
    return ordered[max(int(rank), 1) - 1]


class Played(Struct, frozen=True):
    """A play that ended: `replies` in order of request, over `duration_s`.

    `held` requests were sent late because as many as allowed were open: the player was the bottleneck, and
    the load was not the one asked for. `stopped` says that the play was ended before its traffic was.
    """

    replies: tuple[Reply, ...]
    duration_s: float
    held: int = 0
    stopped: bool = False

    @property
    def totals(self) -> Totals:
        """Sums over all replies."""
        return total(self.replies)

    @property
    def requests_per_s(self) -> float:
        """Answered requests per second."""
        return sum(reply.ok for reply in self.replies) / self.duration_s if self.duration_s else 0.0

    @property
    def late_p99_s(self) -> float:
        """99% of the requests were sent at most this long after they were due."""
        return percentile(sorted(reply.late_s for reply in self.replies), 99) or 0.0

    def windows(self, width_s: float) -> list[tuple[float, Totals]]:
        """Totals of the requests sent in each window, with the window's start; empty windows too."""
        if not self.replies:
            return []
        count = int(max(reply.sent_s for reply in self.replies) // width_s) + 1
        parts: list[list[Reply]] = [[] for _ in range(count)]
        for reply in self.replies:
            parts[int(reply.sent_s // width_s)].append(reply)
        return [(index * width_s, total(part)) for index, part in enumerate(parts)]

    def spill_span_s(self) -> tuple[float, float] | None:
        """When the first and the last spilled request were sent; None where none was."""
        sent_s = [reply.sent_s for reply in self.replies if reply.reason in SPILL_REASONS]
        return (min(sent_s), max(sent_s)) if sent_s else None


class Snapshot(Struct, frozen=True):
    """A play in progress. `recent` covers the replies of the last few seconds, `so_far` all of them."""

    at_s: float
    due: int
    sent: int
    open: int
    recent: Totals
    recent_s: float
    so_far: Totals
    late_s: float

    @property
    def requests_per_s(self) -> float:
        """Answers per second lately."""
        return (self.recent.requests - self.recent.failed) / self.recent_s if self.recent_s else 0.0
