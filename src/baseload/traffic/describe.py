"""What traffic looks like in a dozen figures: for a terminal as text, for programs as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from baseload.traffic.load import Ints, TokensPerDay
from baseload.traffic.table import BadRow, Codes, Traffic

WINDOW_S = 60.0
_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class LengthStats:
    """Mean, percentiles and maximum of tokens per request."""

    mean: float
    p50: float
    p90: float
    p99: float
    max: int

    @classmethod
    def of(cls, tokens: Ints) -> LengthStats:
        """The statistics of a column."""
        p50, p90, p99 = np.percentile(tokens, [50, 90, 99]).tolist()
        return cls(float(tokens.mean()), p50, p90, p99, int(tokens.max()))

    def __str__(self) -> str:
        return (
            f"mean {self.mean:,.0f}, p50 {self.p50:,.0f}, p90 {self.p90:,.0f}, p99 {self.p99:,.0f}, "
            f"max {self.max:,}"
        )


@dataclass(frozen=True, slots=True)
class Description:
    """Figures of a `Traffic`; `peak_over_mean` compares tokens per second in windows of `window_s`.

    `models` and `tenants` count requests by name, most first. `start` is ISO 8601 in UTC or None.
    """

    source: str
    start: str | None
    duration_s: float
    requests: int
    requests_per_s: float
    tokens_per_day: TokensPerDay
    cached_share: float
    window_s: float
    peak_over_mean: float
    input_tokens: LengthStats
    output_tokens: LengthStats
    models: dict[str, int]
    tenants: dict[str, int]
    bad_rows: int
    first_bad: tuple[BadRow, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        plain["first_bad"] = [{"line": bad.line, "reason": bad.reason} for bad in self.first_bad]
        return plain

    def __str__(self) -> str:
        day = self.tokens_per_day
        lines = [
            self.source,
            f"  {self.requests:,} requests in {_span(self.duration_s)}, {self.requests_per_s:.3g}/s"
            + (f", from {self.start}" if self.start else ""),
            f"  {day.total / 1e6:,.1f}M tokens/day: {day.input / 1e6:,.1f}M input "
            f"({self.cached_share:.0%} cached), {day.output / 1e6:,.1f}M output",
            f"  busiest {self.window_s:g} s: {self.peak_over_mean:.2f} times the mean",
            f"  input tokens: {self.input_tokens}",
            f"  output tokens: {self.output_tokens}",
        ]
        for kind, names in (("models", self.models), ("tenants", self.tenants)):
            if set(names) != {""}:
                lines.append(f"  {kind}: {_shares(names, self.requests)}")
        if self.bad_rows:
            lines.append(f"  {self.bad_rows:,} rows could not be read and are left out:")
            lines += [f"    {bad.line}: {bad.reason}" for bad in self.first_bad]
        return "\n".join(lines + [f"  {note}" for note in self.notes])


def describe(traffic: Traffic) -> Description:
    """The figures of a table."""
    input_sum = int(traffic.input_tokens.sum())
    load = traffic.load(WINDOW_S)
    return Description(
        source=traffic.source,
        start=None if traffic.start_ns is None else _iso(traffic.start_ns),
        duration_s=traffic.duration_s,
        requests=len(traffic),
        requests_per_s=len(traffic) / traffic.duration_s,
        tokens_per_day=traffic.tokens_per_day(),
        cached_share=int(traffic.cached_tokens.sum()) / input_sum if input_sum else 0.0,
        window_s=load.window_s,
        peak_over_mean=load.peak_over_mean,
        input_tokens=LengthStats.of(traffic.input_tokens),
        output_tokens=LengthStats.of(traffic.output_tokens),
        models=_count(traffic.model, traffic.models),
        tenants=_count(traffic.tenant, traffic.tenants),
        bad_rows=traffic.bad_rows,
        first_bad=traffic.first_bad,
        notes=traffic.notes,
    )


def _count(codes: Codes, names: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(codes, minlength=len(names))
    return {names[code]: int(counts[code]) for code in np.argsort(-counts, kind="stable") if counts[code]}


def _shares(names: dict[str, int], total: int) -> str:
    shown = [f"{name or '(none)'} {count / total:.0%}" for name, count in list(names.items())[:_SHOWN_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _span(duration_s: float) -> str:
    """A duration for people."""
    for unit, seconds in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if duration_s >= 1.5 * seconds:
            return f"{duration_s / seconds:.3g} {unit}"
    return f"{duration_s:.3g} s"


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
