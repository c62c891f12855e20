"""`baseload bill`: what was used and paid, by model and day, beside what the catalog's prices make of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from baseload.traffic.bills.bill import Bill
    from baseload.traffic.bills.reconcile import Parts, Reconciliation

SHOWN_DAYS = 31
CENT_NANO = 10_000_000


@click.command(
    epilog="Example: baseload bill examples/bills/openai_usage.csv examples/bills/openai_costs.json --json"
)
@click.argument("files", metavar="FILE", nargs=-1, required=True)
@click.option("--format", "format_", metavar="NAME", help="Whose export FILE is, where it is not recognised.")
@click.option(
    "--on", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Day of the prices.  [each line's own]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON, money in nano-dollars.")
def command(files: tuple[str, ...], format_: str | None, on: datetime | None, as_json: bool) -> None:
    """What a provider's or gateway's bill says by model and day, beside the catalog's prices for its tokens.

    FILE is a usage or cost export of OpenAI or Anthropic, a log of LiteLLM, Helicone or Langfuse, an AWS Cost
    and Usage Report or CloudWatch's metrics of Bedrock, or Google Cloud's billing of Vertex AI. Several files
    of the same time are put together, such as usage (tokens) and costs (dollars).
    """
    from baseload.traffic.bills.read import read_bill
    from baseload.traffic.bills.reconcile import reconcile

    bill = read_bill(*files, format=format_)
    found = reconcile(bill, None if on is None else on.date())
    if as_json:
        click.echo(json.dumps(to_dict(bill, found), indent=1, ensure_ascii=False))
        return
    _print(bill, found)


def to_dict(bill: Bill, found: Reconciliation) -> dict[str, Any]:
    """Bill and reconciliation as plain values; money is integer nano-dollars, null where not known."""
    from baseload.traffic.bills.modelled import deferrable_share, modelled
    from baseload.traffic.bills.reconcile import Parts

    total, parts = bill.total(), found.parts
    return {
        "version": 1,
        "source": bill.source,
        "format": bill.format,
        "days": round(bill.days, 6),
        "lines": total.lines,
        "bad_rows": bill.bad_rows,
        "first_bad": [{"line": bad.line, "reason": bad.reason} for bad in bill.first_bad],
        "notes": list(bill.notes),
        "requests": total.requests,
        "input_tokens": total.input_tokens,
        "cached_tokens": total.cached_tokens,
        "written_tokens": total.written_tokens,
        "output_tokens": total.output_tokens,
        "batch_share": round(deferrable_share(bill), 6),
        "billed_nano": found.billed_nano,
        "computed_nano": found.computed_nano,
        "list_nano": parts.list_nano,
        "cache_nano": parts.cache_nano,
        "long_nano": parts.long_nano,
        "tier_nano": parts.tier_nano,
        "unpriced_nano": found.unpriced_nano,
        "other_nano": found.other_nano,
        "difference_nano": found.difference_nano,
        "models": [
            {
                "seller": row.seller,
                "model": row.model,
                "what": row.what,
                "priced_as": row.priced_as,
                "price_source": row.source,
                "input_tokens": row.input_tokens,
                "output_tokens": row.output_tokens,
                "billed_nano": row.billed_nano,
                "computed_nano": row.computed_nano,
                **{name: None if row.parts is None else getattr(row.parts, name) for name in Parts._fields},
                "difference_nano": row.difference_nano,
                "why": list(row.why),
            }
            for row in found.rows
        ],
        "by_day": [day._asdict() for day in found.days],
        "modelled": list(modelled(bill)),
    }


def _print(bill: Bill, found: Reconciliation) -> None:
    from rich.console import Console
    from rich.text import Text

    from baseload.traffic.bills.modelled import modelled

    console, total = Console(), bill.total()
    requests = "requests not counted" if total.requests is None else f"{total.requests:,} requests"
    console.print(Text(bill.source, style="bold"))
    console.print(
        Text(
            f"{bill.days:.3g} days, {requests}, {total.input_tokens:,} input tokens "
            f"({total.cached_tokens:,} cached), {total.output_tokens:,} output tokens"
        )
    )
    console.print(Text(found.words))
    for title, table in (("By model", _models(found)), ("By day", _days(found))):
        console.print(Text(f"\n{title}", style="bold"))
        console.print(table)
    for title, lines in (
        ("Why billed and computed differ", explained(found)),
        ("Modelled, where this bill is planned with", list(modelled(bill))),
        ("Left out", _left_out(bill)),
    ):
        if lines:
            console.print(Text(f"\n{title}", style="bold"))
        for line in lines:
            console.print(Text(f"- {line}"))


def explained(found: Reconciliation) -> list[str]:
    """From list prices to the computed dollars, and from there to those billed: all, then model by model."""
    from baseload.money import show

    lines = []
    if found.computed_nano is not None:
        lines.append(f"computed {show(found.computed_nano)}: {_steps(found.parts)}")
    for row in found.rows:
        name, why = row.model or row.what or "without a name", "; ".join(row.why)
        if row.parts is None:
            lines.append(f"{name}: {show(row.billed_nano)} billed, {why}")
            continue
        priced = f"{name} at the price of {row.priced_as} ({row.source}): {_steps(row.parts)}"
        if abs(row.difference_nano or 0) >= CENT_NANO:
            why = why or "the bill has another price, or was rounded"
            priced += f"; billed {_signed(row.difference_nano or 0)} against it"
        lines.append(f"{priced}; {why}" if why else priced)
    return lines


def _steps(parts: Parts) -> str:
    """What computed dollars consist of."""
    from baseload.money import show

    steps = [f"every token at its list price {show(parts.list_nano)}"]
    for nano, name in (
        (parts.cache_nano, "cached and written input"),
        (parts.long_nano, "long prompts"),
        (parts.tier_nano, "batch and priority"),
    ):
        steps += [f"{name} {_signed(nano)}"] if nano else []
    return ", ".join(steps)


def _models(found: Reconciliation) -> Table:
    from baseload.money import show

    table = _table("model", "input", "output", "billed", "computed", "difference")
    for row in found.rows:
        table.add_row(
            row.model or row.what or "–",
            f"{row.input_tokens:,}",
            f"{row.output_tokens:,}",
            "–" if row.billed_nano is None else show(row.billed_nano),
            "–" if row.computed_nano is None else show(row.computed_nano),
            "–" if row.difference_nano is None else _signed(row.difference_nano),
        )
    return table


def _days(found: Reconciliation) -> Table:
    from baseload.money import show

    table = _table("day", "input", "output", "billed", "computed")
    for day in found.days[:SHOWN_DAYS]:
        table.add_row(
            day.day,
            f"{day.input_tokens:,}",
            f"{day.output_tokens:,}",
            "–" if day.billed_nano is None else show(day.billed_nano),
            "–" if day.computed_nano is None else show(day.computed_nano),
        )
    if len(found.days) > SHOWN_DAYS:
        table.add_row(f"and {len(found.days) - SHOWN_DAYS:,} more (--json has them)")
    return table


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="left" if column in ("model", "day") else "right", overflow="fold")
    return table


def _left_out(bill: Bill) -> list[str]:
    lines = list(bill.notes)
    if bill.bad_rows:
        lines.append(f"{bill.bad_rows:,} records could not be read:")
        lines += [f"  {bad.line}: {bad.reason}" for bad in bill.first_bad]
    return lines


def _signed(nano: int) -> str:
    from baseload.money import show

    if abs(nano) < CENT_NANO:
        return "±$0.00"
    return ("+" if nano > 0 else "−") + show(abs(nano))
