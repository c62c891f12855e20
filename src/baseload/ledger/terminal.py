"""The ledger in a terminal: aligned text, money in dollars, an unknown cost as `unknown`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from baseload.ledger.store import OwnedTotals, Row, Totals
from baseload.money import show as dollars


def _aligned(rows: Iterable[Sequence[str]]) -> str:
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _time(at_ns: object) -> str:
    if not isinstance(at_ns, int):
        return "?"
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _milliseconds(value: object) -> str:
    return f"{value / 1e6:.0f}" if isinstance(value, int) else "-"


def recent(rows: Sequence[Row]) -> str:
    head = (
        "time",
        "request",
        "try",
        "tenant",
        "model",
        "target",
        "reason",
        "outcome",
        "in",
        "out",
        "ttft ms",
        "cost",
    )
    if not rows:
        return "no attempts"
    return _aligned(
        [
            head,
            *(
                (
                    _time(row["began_ns"]),
                    _text(row["request_id"]),
                    _text(row["attempt"]),
                    _text(row["tenant"]),
                    _text(row["model"]),
                    _text(row["target"]),
                    _text(row["reason"]),
                    _text(row["outcome"] or "running"),
                    _text(row["input_tokens"]),
                    _text(row["output_tokens"]),
                    _milliseconds(row["ttft_ns"]),
                    _cost(row),
                )
                for row in rows
            ),
        ]
    )


def _cost(row: Row) -> str:
    if row["outcome"] is None:
        return "-"
    cost = row["cost_nano"]
    return dollars(cost if isinstance(cost, int) else None)


def facts(title: str, row: Row) -> str:
    """Every column of a row that says something, one a line; money in dollars."""
    lines = [title]
    for name, value in row.items():
        if value is None and name not in ("cost_nano", "counterfactual_nano", "reserved_nano"):
            continue
        if name.endswith("_nano"):
            name, value = name.removesuffix("_nano"), dollars(value if isinstance(value, int) else None)
        elif name in ("began_ns", "ended_ns", "at_ns"):
            name, value = name.removesuffix("_ns"), _time(value)
        lines.append(f"  {name:<22} {value}")
    return "\n".join(lines)


def _with_unknown(amount: int, unknown: int) -> str:
    return f"{dollars(amount)} + {unknown} unknown" if unknown else dollars(amount)


def table_of_totals(groups: Sequence[str], sums: Sequence[Totals]) -> str:
    head = (
        *groups,
        "requests",
        "spilled",
        "attempts",
        "in",
        "cached",
        "out",
        "marginal",
        "amortised",
        "counterfactual",
    )
    notes = []
    rows = [head]
    for row in sums:
        share = row.spill_share
        rows.append(
            (
                *map(_text, row.group),
                f"{row.requests:,}",
                "-" if share is None else f"{share:.1%}",
                f"{row.attempts:,}",
                f"{row.input_tokens:,}",
                f"{row.cached_input_tokens:,}",
                f"{row.output_tokens:,}",
                _with_unknown(row.cost_nano, row.cost_unknown),
                dollars(row.amortised_nano) + (" so far" if row.unsettled else ""),
                _with_unknown(row.counterfactual_nano, row.counterfactual_unknown),
            )
        )
    for count, what in (
        (sum(row.unknown for row in sums), "ended unknown, charged at their reservation"),
        (sum(row.running for row in sums), "still running, not charged yet"),
        (sum(row.estimated for row in sums), "with estimated tokens or cost"),
        (sum(row.unsettled for row in sums), "at owned targets in hours that are not closed yet"),
    ):
        if count:
            notes.append(f"{count:,} attempts {what}")
    return "\n".join([_aligned(rows), *notes])


def table_of_owned(owned: Sequence[OwnedTotals]) -> str:
    head = ("owned target", "hours closed", "price", "amortised", "idle", "used", "open hours so far")
    rows = [head]
    for row in owned:
        used = f"{min(1.0, row.room_ns / row.paid_ns):.1%}" if row.paid_ns else "-"
        so_far = dollars(row.open_price_nano) if row.open_ns else "-"
        rows.append(
            (
                row.target,
                f"{row.hours:,}",
                dollars(row.price_nano),
                dollars(row.amortised_nano),
                dollars(row.idle_nano),
                used,
                so_far,
            )
        )
    return _aligned(rows)
