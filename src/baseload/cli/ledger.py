"""`baseload ledger`: what came, where it went, why, and what it cost."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from baseload.cli import Group
from baseload.errors import UnknownName, UsageError
from baseload.ledger import export as exporting
from baseload.ledger import terminal
from baseload.ledger.ingest import ingest_once
from baseload.ledger.launch import journal_directory, store_path
from baseload.ledger.store import GROUPS, Filter, OwnedTotals, Store, Totals

Command = Callable[..., None]

DEFAULT_CONFIG = Path("baseload.yaml")
DEFAULT_DATA = Path("baseload-data")
_AGO = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _moment_ns(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """Wall-clock nanoseconds of an ISO date or time (UTC unless it says otherwise), or of 24h ago."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return time.time_ns() - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; write 2026-11-22, 2026-11-22T08:00 or 24h") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000


def _options(function: Command) -> Command:
    """What every command here takes: where the data is and which attempts count."""
    for option in reversed(
        (
            click.option(
                "--data",
                type=click.Path(path_type=Path, file_okay=False),
                help="The gateway's data folder.  [that of baseload.yaml here, else ./baseload-data]",
            ),
            click.option(
                "--since",
                callback=_moment_ns,
                metavar="TIME",
                help="Begun at TIME or later: 24h, 2026-11-22.",
            ),
            click.option("--until", callback=_moment_ns, metavar="TIME", help="Begun before TIME."),
            click.option("--tenant", help="Of this tenant."),
            click.option("--model", help="Of this model, as clients call it."),
            click.option("--target", help="At this target."),
        )
    ):
        function = option(function)
    return function


class _Selection(NamedTuple):
    """What the common options say."""

    data: Path | None
    since: int | None
    until: int | None
    tenant: str | None
    model: str | None
    target: str | None

    @property
    def only(self) -> Filter:
        return Filter(self.since, self.until, self.tenant, self.model, self.target)

    def open(self) -> Store:
        """The store, after what the journal holds was booked (a running gateway's ingest does so itself)."""
        data = self.data or _data_folder()
        if journal_directory(data).is_dir():
            ingest_once(journal_directory(data), store_path(data))
        store = Store(store_path(data))
        for damage in store.damage():
            click.echo(f"warning: {damage.segment} from byte {damage.at}: {damage.what}", err=True)
        return store


def _data_folder() -> Path:
    if not DEFAULT_CONFIG.exists():
        return DEFAULT_DATA
    from baseload import config

    return config.outline(DEFAULT_CONFIG).data


@click.group(cls=Group)
def command() -> None:
    """Read the record of every request and attempt, refused ones too.

    Money is in dollars on the screen and in integer nano-dollars in files and JSON; days and times are UTC.

    \b
    Example:
      baseload ledger totals --since 24h --by model,side
    """


@command.command()
@click.argument("request_id", required=False)
@_options
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Newest attempts shown.")
@click.option("--json", "as_json", is_flag=True, help="Print every column as JSON.")
def show(request_id: str | None, limit: int, as_json: bool, **selection: Any) -> None:
    """Show one request with all its attempts, or the newest attempts.

    Exit code 1 where the ledger has no such request.

    \b
    Example:
      baseload ledger show --limit 5
    """
    chosen = _Selection(**selection)
    with chosen.open() as store:
        if request_id is None:
            rows = store.recent(limit, chosen.only)
            click.echo(_json(rows) if as_json else terminal.recent(rows))
            return
        attempts, refusal = store.request(request_id), store.refusal(request_id)
    if not attempts and refusal is None:
        click.echo(f"no request {request_id} in the ledger", err=True)
        raise click.exceptions.Exit(1)
    if as_json:
        click.echo(_json({"request_id": request_id, "attempts": attempts, "refusal": refusal}))
        return
    if refusal is not None:
        click.echo(terminal.facts("refused", refusal))
    for row in attempts:
        click.echo(terminal.facts(f"attempt {row['attempt']}", row))


@command.command()
@click.argument("file", metavar="FILE")
@_options
@click.option(
    "--format",
    type=click.Choice([kind.value for kind in exporting.Format]),
    help="What to write.  [by FILE's extension]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(file: str, format: str | None, as_json: bool, **selection: Any) -> None:
    """Write every attempt to FILE, all columns, money in nano-dollars; - is standard output.

    \b
    Example:
      baseload ledger export attempts.parquet --since 2026-11-01
    """
    chosen = _Selection(**selection)
    if file == "-" and format is None:
        raise UsageError("standard output has no extension", hint="add --format csv, json or jsonl")
    kind = exporting.Format(format) if format else exporting.format_of(file)
    with chosen.open() as store:
        if file == "-":
            exporting.write_text(sys.stdout, store, kind, chosen.only)
            return
        rows = exporting.export(store, Path(file), kind, chosen.only)
    said = (
        _json({"file": file, "format": kind.value, "attempts": rows})
        if as_json
        else f"{rows} attempts in {file}"
    )
    click.echo(said)


@command.command()
@_options
@click.option("--by", default="", metavar="NAMES", help=f"Group by these, with commas: {', '.join(GROUPS)}.")
@click.option("--json", "as_json", is_flag=True, help="Print the sums as JSON.")
def totals(by: str, as_json: bool, **selection: Any) -> None:
    """Sum up requests, attempts, tokens and costs.

    Owned targets cost nothing at the margin: an hour's price is shared out when it closes (amortised), what
    nobody used is the idle line. The counterfactual is what the tokens would have cost on the other side.

    \b
    Example:
      baseload ledger totals --by tenant,model
    """
    chosen = _Selection(**selection)
    groups = [name.strip() for name in by.split(",") if name.strip()]
    for name in groups:
        if name not in GROUPS:
            raise UnknownName("grouping", name, GROUPS)
    with chosen.open() as store:
        sums = store.totals(groups, chosen.only)
        owned = store.owned(chosen.only)
        refusals = store.refusals(chosen.only)
    if as_json:
        click.echo(
            _json(
                {
                    "totals": [_sums(row, groups) for row in sums],
                    "owned": [_plain(row) for row in owned],
                    "refusals": refusals,
                }
            )
        )
        return
    click.echo(terminal.table_of_totals(groups, sums))
    if owned:
        click.echo(f"\n{terminal.table_of_owned(owned)}")
    if refusals:
        click.echo("\nrefused: " + ", ".join(f"{code} {count}" for code, count in refusals.items()))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _plain(row: Totals | OwnedTotals) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _sums(row: Totals, groups: Sequence[str]) -> dict[str, Any]:
    plain = _plain(row)
    plain["group"] = dict(zip(groups, row.group, strict=True))
    return {**plain, "spill_share": row.spill_share}
