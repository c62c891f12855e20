"""`baseload plan`: what to own and what to buy, from a traffic file or a described demand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baseload.cli import duration_s
from baseload.errors import UsageError

if TYPE_CHECKING:
    from baseload.plan.demand import Source
    from baseload.traffic.bills.bill import Bill

SHAPES = ("azure-conversation-2023", "servegen-m-large")
BROKEN_OFF = 130
"""Exit code of an interview that was ended by Ctrl-C or at the end of input: 128 and SIGINT."""

SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def _count(text: str) -> float:
    """A count of tokens: 250000, 100M, 1.5B."""
    digits = text.strip().replace(",", "").replace("_", "")
    factor = SUFFIXES.get(digits[-1:].lower(), 1.0)
    try:
        return float(digits[:-1] if factor > 1 else digits) * factor
    except ValueError:
        raise click.BadParameter(f"{text!r} is no count; write 250000, 100M or 1.5B") from None


def _price_pair(text: str) -> tuple[float, float]:
    """Input and output price in dollars per million tokens: 2.50,10."""
    try:
        price_in, price_out = (float(part) for part in text.replace("$", "").split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no pair of prices; write IN,OUT like 2.50,10") from None
    return price_in, price_out


def _statement(text: str) -> tuple[str, float | str]:
    """An assumption and its value: gpu.term=reserved, traffic.growth_per_year=0.4."""
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise click.BadParameter(f"{text!r} states nothing; write NAME=VALUE")
    try:
        return name, float(value)
    except ValueError:
        return name, value


@click.command(
    epilog="Example: baseload plan servegen-m-large --tokens-per-day 1B --api gpt-4o --model llama-3.3-70b "
    "--gpu h100 --gpus 2 --gpu-hour 4 --spare idle --html plan.html"
)
@click.argument("traffic", required=False)
@click.option(
    "--tokens-per-day",
    type=_count,
    metavar="COUNT",
    help="Input and output tokens a day; scales TRAFFIC if both are given.",
)
@click.option(
    "--output-share",
    type=float,
    help="Share of output tokens, unless TRAFFIC has requests that say it.  [default: 0.5]",
)
@click.option("--cached-share", type=float, help="Share of the input that is cached, likewise.")
@click.option(
    "--shape", type=click.Choice(SHAPES), help="Load over time of a published trace, for --tokens-per-day."
)
@click.option(
    "--api", multiple=True, metavar="NAME", help="API compared with: MODEL or PROVIDER/MODEL; repeatable."
)
@click.option(
    "--api-price",
    type=_price_pair,
    metavar="IN,OUT",
    help="Price of the first --api in $/M tokens, instead of the catalog's.",
)
@click.option(
    "--open-api/--no-open-api", default=True, help="Compare with the open model sold as an API too."
)
@click.option(
    "--open-api-price", type=float, metavar="USD", help="Its price in $/M tokens, instead of the catalog's."
)
@click.option("--model", help="Open-weight model that would be owned.  [default: llama-3.3-70b]")
@click.option("--gpu", help="GPU of a replica.  [default: h100]")
@click.option("--gpus", type=int, help="GPUs of a replica.  [default: the fewest that hold the model]")
@click.option("--precision", help="Precision of the weights.  [default: fp8 where model and GPU have it]")
@click.option(
    "--gpu-hour", type=float, metavar="USD", help="Price of one GPU for an hour, instead of the catalog's."
)
@click.option(
    "--throughput", type=float, metavar="TOKENS_PER_S", help="What a full replica serves, input and output."
)
@click.option("--usable", type=float, help="Share of the throughput that is planned with.  [default: 0.7]")
@click.option(
    "--spare", type=click.Choice(["none", "serving", "idle"]), help="What stands by.  [default: none]"
)
@click.option(
    "--team-usd-per-month", type=float, metavar="USD", help="People who run owned serving.  [default: 20000]"
)
@click.option(
    "--slo-ttft", type=duration_s, metavar="DURATION", help="Time to first token promised.  [default: 2s]"
)
@click.option(
    "--slo-tpot",
    type=duration_s,
    metavar="DURATION",
    help="Time per output token promised.  [default: 100ms]",
)
@click.option(
    "--slo-percentile",
    type=click.FloatRange(50, 99.9),
    default=95.0,
    show_default=True,
    help="Share of requests that a simulation keeps it for.",
)
@click.option(
    "--size-by",
    type=click.Choice(["slo", "usable"]),
    help="Plan with the load at which simulated replicas keep the SLO, or with --usable of the throughput.  "
    "[default: slo where TRAFFIC has 1,000 requests and neither --throughput nor --usable is given]",
)
@click.option(
    "--search-offers",
    is_flag=True,
    help="Simulate the fewest replicas and the cheapest GPUs on offer that keep the SLO alone.",
)
@click.option("--format", "format_", metavar="NAME", help="Format of TRAFFIC, where it is not recognised.")
@click.option(
    "--columns", metavar="A=B,…", help="Columns of a plain TRAFFIC file: arrival=ts,input=prompt_tokens,…"
)
@click.option(
    "--on",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Day of the token prices.  [default: today, UTC]",
)
@click.option(
    "--plan-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Answers, assumptions and portfolio, YAML or JSON.",
)
@click.option(
    "--set",
    "stated",
    type=_statement,
    multiple=True,
    metavar="NAME=VALUE",
    help="One assumption, like traffic.growth_per_year=0.4; repeatable.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed draws other worlds.")
@click.option(
    "--interview", is_flag=True, help="Ask what only a person can answer; remember it in the plan file."
)
@click.option(
    "--write-policy",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what is recommended as a new baseload.yaml.",
)
@click.option(
    "--option",
    "option_name",
    metavar="NAME",
    help="Write this option's policy instead of the recommended one.",
)
@click.option(
    "--check",
    nargs=2,
    metavar="PLAN LEDGER",
    help="Compare a plan saved with --json with the ledger of the month since; plans nothing.",
)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="For --check: from this day on (UTC)."
)
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="For --check: before this day (UTC)."
)
@click.option("--full", is_flag=True, help="Print everything behind the answer, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report to this file too: HTML, or Markdown where it ends in .md; with --check that page.",
)
def command(traffic: str | None, **options: Any) -> None:
    """What to own and what to buy for this traffic, with the numbers behind it.

    TRAFFIC is a file of requests (CSV, JSONL, Parquet, known trace formats), ledger:DIR, or a published load:
    azure-conversation-2023, servegen-m-large. Without it --tokens-per-day describes a flat load.
    What is not given is looked up or assumed, and printed with its source.
    """
    from baseload.plan.decide import plan
    from baseload.plan.policy_out import write_policy

    as_json, full, html = options.pop("as_json"), options.pop("full"), options.pop("html")
    policy, option_name = options.pop("write_policy"), options.pop("option_name")
    since, until = options.pop("since"), options.pop("until")
    if (since or until) and not options["check"]:
        raise UsageError("--since and --until are days of a ledger that is checked", hint="add --check")
    if option_name and policy is None:
        raise UsageError("--option names whose policy is written", hint="add --write-policy FILE")
    if (checked := options.pop("check")) is not None:
        _check(checked, since, until, html, as_json=as_json)
        return
    if options.pop("interview"):
        options["plan_file"] = _interview(options["plan_file"])
        if traffic is None and options["shape"] is None and options["tokens_per_day"] is None:
            return
    source = _source(traffic, options.pop("shape"), options.pop("format_"), options.pop("columns"))
    question = _question(options)
    with _progress() as progress:
        found = plan(source, question, progress=progress)
    if html is not None:
        found.report(html)
    if policy is not None:
        write_policy(found, policy, option_name)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    from baseload.plan.terminal import print_plan

    print_plan(found, Console(), full=full)
    if html is not None:
        click.echo(f"\nReport: {html}")
    if policy is not None:
        click.echo(f"\nPolicy: {policy}; then: baseload config check {policy}")


@contextmanager
def _progress() -> Iterator[Callable[[str], None] | None]:
    """What is being simulated, on standard error where a person watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading prices") as status:
        yield status.update


def _interview(plan_file: Path | None) -> Path:
    """Ask what only a person can answer; returns the plan file that remembers it."""
    from baseload.plan.interview import PLAN_FILE, interview
    from baseload.plan.planfile import read_plan_file

    path = plan_file or PLAN_FILE
    try:
        interview(
            path,
            ask=lambda question, known: str(click.prompt(question, default=known, err=True)),
            complain=lambda text: click.echo(text, err=True),
        )
    except click.Abort:
        kept = read_plan_file(path).answers if path.exists() else {}
        answers = "1 answer is" if len(kept) == 1 else f"{len(kept)} answers are"
        told = f"{answers} in {path}; the interview goes on from there" if kept else "nothing was answered"
        click.echo(f"\nBroken off: {told}.", err=True)
        click.get_current_context().exit(BROKEN_OFF)
    click.echo(f"Answers are in {path}; a plan with --plan-file {path} takes them.", err=True)
    return path


def _check(
    paths: tuple[str, str],
    since: datetime | None,
    until: datetime | None,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    """Last month's plan against the ledger, line by line, and why they differ."""
    from baseload.ledger.store import Filter
    from baseload.plan.check import check, check_dict, read_plan

    first, end = (
        None if day is None else int(day.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
        for day in (since, until)
    )
    found = check(read_plan(Path(paths[0])), Path(paths[1].removeprefix("ledger:")), Filter(first, end))
    if html is not None:
        from baseload.plan.report import write_check

        write_check(found, html)
    if as_json:
        click.echo(json.dumps(check_dict(found), indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    from baseload.plan.terminal_check import print_check

    print_check(found, Console())


def _question(options: dict[str, Any]) -> Any:
    """The options as a Question; refuses what does not go together."""
    from baseload.core import Slo
    from baseload.plan.planfile import PlanFile, read_plan_file
    from baseload.plan.question import Question

    said = PlanFile() if (file := options.pop("plan_file")) is None else read_plan_file(file)
    ttft_s, tpot_s = options.pop("slo_ttft"), options.pop("slo_tpot")
    on = options.pop("on")
    usual = Slo()
    slo = None
    if ttft_s is not None or tpot_s is not None:
        slo = Slo(
            ttft_s if ttft_s is not None else usual.ttft_s, tpot_s if tpot_s is not None else usual.tpot_s
        )
    return Question(
        usd_per_gpu_hour=options.pop("gpu_hour"),
        slo=slo,
        on=datetime.now(UTC).date() if on is None else on.date(),
        assumptions={**said.assumptions, **dict(options.pop("stated"))},
        answers=said.answers,
        portfolio=said.portfolio,
        **options,
    )


def _source(
    traffic: str | None, shape: str | None, format_: str | None, columns: str | None
) -> Source | Bill | None:
    """What TRAFFIC names. Raises UsageError, DataError or EnvironmentProblem where it cannot be had."""
    if traffic is not None and shape is not None:
        raise UsageError("TRAFFIC and --shape both say the load over time", hint="give one of them")
    name = traffic if traffic is not None else shape
    if (format_ or columns) and (name is None or name in SHAPES):
        raise UsageError("--format and --columns describe a traffic file, and there is none")
    if name is None:
        return None
    from baseload.traffic import shapes
    from baseload.traffic.bills.read import BillFormat, read_bill
    from baseload.traffic.read import Format, detect, read_source, read_traffic

    if name == "servegen-m-large":
        return shapes.servegen_m_large()
    if name == "azure-conversation-2023":
        return shapes.azure_conversation_2023()
    if name.startswith("ledger:"):
        return read_traffic(name.removeprefix("ledger:"), format=Format.LEDGER)
    if not columns and (format_ or detect(Path(name)).value) in set(BillFormat):
        return read_bill(name, format=format_)
    return read_source(name, format=format_, columns=columns)
