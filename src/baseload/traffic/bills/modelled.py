"""What a bill does not say is modelled from published traffic, and said: `modelled` has the sentences.

A bill in buckets has sums. Its totals are kept exactly; what is modelled is only how they are spread:

- *within a bucket*: up to an hour evenly; longer ones follow ServeGen m-large (two weeks in windows of ten
  minutes), day after day along its curve, so that bursts and nights are those of a real service;
- *lengths*: each bucket's mean is its own, the spread around it that of an hour of an Azure conversation
  service, input and output jointly;
- *how many requests*, where nothing counts them: one for each mean request's tokens of that same hour.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from baseload.errors import DataError, UsageError
from baseload.money import show
from baseload.traffic.bills.bill import DAY_NS, ITEMS, TIERS, TOKEN_COLUMNS, Bill, Item, Tier
from baseload.traffic.load import Floats, Ints, Load, LoadShape
from baseload.traffic.rows import observed_s
from baseload.traffic.shapes import azure_conversation_2023, servegen_m_large
from baseload.traffic.table import Traffic

EVEN_S = 3600.0
"""Buckets up to this long are taken as even."""

LONG_WINDOW_S = 600.0
MAX_DRAWN = 5_000_000
MAX_WINDOWS = 2_000_000
NS = 1_000_000_000


def modelled(bill: Bill) -> tuple[str, ...]:
    """What of `bill.traffic()` and `bill.shape()` is not the file's own, in words; nothing of requests."""
    used = bill.table[bill.used]
    if not len(used) or bill.of_requests:
        return ()
    said = []
    widths_s = np.unique(used["end_ns"] - used["start_ns"]) / NS
    if bill.inferred:
        said.append(
            "tokens: the file has dollars alone; they are its dollars over the catalog's prices"
            + _unturned(bill)
        )
    if (long := widths_s[widths_s > EVEN_S]).size:
        said.append(
            f"time: within buckets of {_span(long.max())} the load follows {servegen_m_large().source}, "
            "ten-minute windows in a row; which hour is the busiest is not known"
        )
    if (short := widths_s[(widths_s <= EVEN_S) & (widths_s > 0)]).size:
        said.append(f"time: within buckets of {_span(short.max())} requests come evenly")
    said.append(
        f"lengths: means are each bucket's own, the spread around them is that of "
        f"{azure_conversation_2023().source}"
    )
    if (_usage(bill).requests < 0).any():
        said.append(
            f"requests: not counted in the file; one for every {_mean_tokens():,.0f} tokens, the mean "
            "request of the same Azure hour"
        )
    return tuple(said)


def _unturned(bill: Bill) -> str:
    """What of the dollars for tokens is in no tokens, since the catalog has no price for it."""
    lost = bill.table[~bill.used & (bill.table["item"] != ITEMS.index(Item.OTHER))]
    nano = int(lost["nano"].sum())
    return f", without {show(nano)} that no price is known for" if nano else ""


def requests_in(bill: Bill) -> int:
    """How many requests a bill in buckets has, those nobody counted taken from its tokens."""
    return int(_usage(bill).counted().sum()) if bill.has_tokens else 0


def deferrable_share(bill: Bill) -> float:
    """Share of the tokens that were bought as batch: they need not be served at once."""
    tokens = bill.table["input_tokens"] + bill.table["output_tokens"]
    batch = int(tokens[bill.table["tier"] == TIERS.index(Tier.BATCH)].sum())
    return batch / int(tokens.sum()) if batch else 0.0


def traffic_of(bill: Bill, *, seed: int = 1) -> Traffic:
    """The requests of a bill as a table; those of buckets are modelled, with the bill's exact totals.

    Every model's input, cached and output tokens add up to the bill's. The same seed gives the same requests.
    Raises DataError for a bill without tokens and for one of more than `MAX_DRAWN` requests in buckets: its
    `shape` has no such limit.
    """
    _needs_tokens(bill)
    if bill.of_requests:
        return _as_they_were(bill)
    usage = _usage(bill)
    counts = usage.counted()
    if (total := int(counts.sum())) > MAX_DRAWN:
        raise DataError(
            f"{bill.source}: {total:,} requests are too many to be laid out one by one",
            hint="use its load: read_shape, or read_bill(…).shape()",
        )
    return _drawn(bill, usage, counts, np.random.default_rng(seed))


def shape_of(bill: Bill, window_s: float | None = None) -> LoadShape:
    """The load of a bill in equal windows, and lengths to draw from; its means are the bill's own.

    `window_s` None: the buckets' own width where all are the same and at most an hour, else ten minutes.
    """
    _needs_tokens(bill)
    if bill.of_requests:
        return traffic_of(bill).shape(window_s or LONG_WINDOW_S)
    usage = _usage(bill)
    duration_s = (bill.end_ns - bill.start_ns) / NS
    if window_s is None:
        widths_s = np.unique(usage.end_s - usage.start_s)
        window_s = float(widths_s[0]) if len(widths_s) == 1 and 0 < widths_s[0] <= EVEN_S else LONG_WINDOW_S
    if not window_s > 0 or duration_s / window_s > MAX_WINDOWS:
        raise UsageError(f"{duration_s:g} s in windows of {window_s:g} s are too many windows, or none")
    count = max(1, round(duration_s / window_s))
    edges_s = np.linspace(0.0, duration_s, count + 1)
    columns = np.zeros((4, count))
    per_line = np.stack([usage.counted(), usage.input_tokens, usage.cached_tokens, usage.output_tokens])
    spans, inverse = np.unique(np.stack([usage.start_s, usage.end_s], axis=1), axis=0, return_inverse=True)
    sums = np.zeros((4, len(spans)))
    for row, column in zip(sums, per_line, strict=True):
        np.add.at(row, inverse.ravel(), column)
    for (start_s, end_s), amounts in zip(spans.tolist(), sums.T, strict=True):
        first = max(0, int(np.searchsorted(edges_s, start_s, "right")) - 1)
        last = max(first + 1, int(np.searchsorted(edges_s, end_s, "left")))
        bounds_s = np.clip(edges_s[first : last + 1], start_s, end_s)
        shares = _shares(bounds_s, bill.start_ns / NS)
        columns[:, first:last] += amounts[:, None] * shares
    rates = columns / (duration_s / count)
    rates[2] = np.minimum(rates[2], rates[1])
    load = Load(duration_s / count, *rates)
    return LoadShape(load, azure_conversation_2023().lengths, bill.source, bill.start_ns)


class _Usage(NamedTuple):
    """Tokens by bucket, model and tenant; times in seconds from the bill's start, requests -1: unknown."""

    start_s: Floats
    end_s: Floats
    model: Ints
    tenant: Ints
    requests: Ints
    input_tokens: Ints
    cached_tokens: Ints
    output_tokens: Ints

    def counted(self) -> Ints:
        """Requests; where they are not known one for each mean request's tokens, and at least one."""
        tokens = self.input_tokens + self.output_tokens
        return np.where(
            self.requests > 0, self.requests, np.maximum(1, np.round(tokens / _mean_tokens()))
        ).astype(np.int64)


def _usage(bill: Bill) -> _Usage:
    """Lines of one bucket, model and tenant together: an export may have one for each kind of token."""
    used = bill.table[bill.used]
    keys = np.stack(
        [used[name].astype(np.int64) for name in ("start_ns", "end_ns", "model", "tenant")], axis=1
    )
    groups, inverse = np.unique(keys, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    sums = {name: np.zeros(len(groups), np.int64) for name in (*TOKEN_COLUMNS, "requests")}
    for name, column in sums.items():
        np.add.at(column, inverse, used[name])
    silent = np.zeros(len(groups), np.bool_)
    np.logical_or.at(silent, inverse, used["requests"] < 0)
    return _Usage(
        (groups[:, 0] - bill.start_ns) / NS,
        (groups[:, 1] - bill.start_ns) / NS,
        groups[:, 2],
        groups[:, 3],
        np.where(silent, -1, sums["requests"]),
        sums["input_tokens"],
        sums["cached_tokens"],
        sums["output_tokens"],
    )


@cache
def _mean_tokens() -> float:
    """Input and output tokens of the mean request of the Azure hour."""
    day = azure_conversation_2023().tokens_per_day()
    return day.total / (float(azure_conversation_2023().load.requests_per_s.mean()) * 86_400)


@cache
def _rhythm() -> tuple[Floats, Floats]:
    """Edges of m-large's windows in seconds, and the share of its requests before each."""
    load = servegen_m_large().load
    edges_s: Floats = np.arange(len(load) + 1, dtype=np.float64) * load.window_s
    running: Floats = np.concatenate([[0.0], np.cumsum(load.requests_per_s)])
    shares: Floats = running / running[-1]
    return edges_s, shares


def _share_before(time_s: Floats) -> Floats:
    """The rhythm's running total at these Unix times; it goes on and on, one for each of its two weeks."""
    edges_s, running = _rhythm()
    rounds, within_s = np.divmod(time_s, edges_s[-1])
    return rounds + np.interp(within_s, edges_s, running)


def _shares(bounds_s: Floats, origin_s: float) -> Floats:
    """The share of a bucket that falls between each two of its bounds (its own ends first and last)."""
    if bounds_s[-1] - bounds_s[0] <= EVEN_S:
        running = bounds_s
    else:
        running = _share_before(bounds_s + origin_s)
    span = running[-1] - running[0]
    return np.diff(running) / span if span > 0 else np.full(len(bounds_s) - 1, 1 / (len(bounds_s) - 1))


def _as_they_were(bill: Bill) -> Traffic:
    used = bill.table[bill.used]
    used = used[np.argsort(used["start_ns"], kind="stable")]
    start_ns = int(used["start_ns"][0])
    arrival_s = (used["start_ns"] - start_ns) / NS
    return Traffic(
        arrival_s=arrival_s,
        input_tokens=used["input_tokens"],
        cached_tokens=used["cached_tokens"],
        output_tokens=used["output_tokens"],
        duration_s=observed_s(len(used), float(arrival_s[-1])),
        model=used["model"],
        tenant=used["tenant"],
        models=bill.names["model"],
        tenants=bill.names["tenant"],
        start_ns=start_ns,
        source=bill.source,
        bad_rows=bill.bad_rows,
        first_bad=bill.first_bad,
        notes=bill.notes,
    )


def _drawn(bill: Bill, usage: _Usage, counts: Ints, random: np.random.Generator) -> Traffic:
    total = int(counts.sum())
    lengths = azure_conversation_2023().lengths
    drawn_in, drawn_out = lengths.draw(total, random)
    ends = np.cumsum(counts)
    arrival_s, columns = np.empty(total), np.empty((3, total), np.int64)
    for line, (end, count) in enumerate(zip(ends.tolist(), counts.tolist(), strict=True)):
        part = slice(end - count, end)
        start_s, end_s = float(usage.start_s[line]), float(usage.end_s[line])
        arrival_s[part] = _arrivals(start_s, end_s, bill.start_ns / NS, random.random(count))
        input_tokens = _apportion(drawn_in[part], int(usage.input_tokens[line]))
        columns[0, part] = input_tokens
        columns[1, part] = _part_of(input_tokens, int(usage.cached_tokens[line]))
        columns[2, part] = _apportion(drawn_out[part], int(usage.output_tokens[line]))
    order = np.argsort(arrival_s, kind="stable")
    duration_s = (bill.end_ns - bill.start_ns) / NS
    return Traffic(
        arrival_s=np.clip(arrival_s[order], 0.0, duration_s),
        input_tokens=columns[0][order],
        cached_tokens=columns[1][order],
        output_tokens=columns[2][order],
        duration_s=duration_s,
        model=np.repeat(usage.model, counts)[order].astype(np.int32),
        tenant=np.repeat(usage.tenant, counts)[order].astype(np.int32),
        models=bill.names["model"],
        tenants=bill.names["tenant"],
        start_ns=bill.start_ns,
        source=f"{bill.source}, requests modelled",
        bad_rows=bill.bad_rows,
        first_bad=bill.first_bad,
        notes=(*bill.notes, *modelled(bill)),
    )


def _arrivals(start_s: float, end_s: float, origin_s: float, uniform: Floats) -> Floats:
    """Times within a bucket at these quantiles of its load."""
    if end_s - start_s <= EVEN_S:
        return start_s + uniform * (end_s - start_s)
    step_s = servegen_m_large().window_s
    grid_s = np.append(np.arange(start_s, end_s, step_s), end_s)
    running = _share_before(grid_s + origin_s)
    times_s: Floats = np.interp(running[0] + uniform * (running[-1] - running[0]), running, grid_s)
    return times_s


def _apportion(weights: Ints, total: int) -> Ints:
    """Whole numbers in proportion to the weights that add up to the total exactly."""
    running = np.cumsum(weights, dtype=np.float64)
    shares = running / running[-1] if running[-1] else np.arange(1, len(weights) + 1) / len(weights)
    ends = np.floor(shares * total).astype(np.int64)
    ends[-1] = total  # where it has more digits than a float, too
    return np.diff(ends, prepend=0)


def _part_of(whole: Ints, part: int) -> Ints:
    """So much of each that all add up to `part` exactly and none has more than it is.

    The running total is floor(part · running / all), in Python's integers: a float would be one off at times.
    """
    if not part:
        return np.zeros(len(whole), np.int64)
    running = np.cumsum(whole).astype(object)
    ends: Ints = (running * part // int(whole.sum())).astype(np.int64)
    return np.diff(ends, prepend=0)


def _needs_tokens(bill: Bill) -> None:
    if not bill.has_tokens:
        kinds = {ITEMS[code] for code in np.unique(bill.table["item"])} - {Item.OTHER}
        hint = "read it together with the usage export of the same time"
        if kinds:
            hint += ", or infer its tokens from prices (inferred.with_tokens)"
        raise DataError(f"{bill.source}: says dollars and no tokens", hint=hint)
    if bill.end_ns <= bill.start_ns and not bill.of_requests:
        raise DataError(f"{bill.source}: covers no time")


def _span(seconds: float) -> str:
    for unit, length in (("day", DAY_NS / NS), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= length:
            count = seconds / length
            return f"{count:.3g} {unit}{'s' if count != 1 else ''}"
    return f"{seconds:g} s"
