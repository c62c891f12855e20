"""`baseload replay`: yesterday's requests under another policy, fleet or price list."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from baseload.cli import duration_s

if TYPE_CHECKING:
    from baseload.core import Snapshot
    from baseload.plan.replay import Change
    from baseload.plan.scenario import Outage, Scenario
    from baseload.traffic.table import Traffic


LONG_REQUESTS = 50_000
"""Requests from which a simulation takes a second or more, and shows how far it is."""


class _Named(click.ParamType):  # type: ignore[type-arg]  # not generic in every click we support
    """NAME=VALUE, the value read by `read`."""

    def __init__(self, form: str) -> None:
        self.name = form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name, equals, rest = str(value).partition("=")
        if not (name and equals and rest):
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return name, rest


@click.command(
    epilog="Example: baseload replay ledger:baseload-data --config baseload.yaml --replicas llama-a=3"
)
@click.argument("traffic")
@click.option(
    "--config",
    "-c",
    "config",
    type=click.Path(path_type=Path),
    default=Path("baseload.yaml"),
    show_default=True,
    help="The configuration before.",
)
@click.option("--with", "other", type=click.Path(path_type=Path), help="The configuration after.")
@click.option(
    "--replicas",
    multiple=True,
    type=_Named("TARGET=COUNT"),
    metavar="TARGET=COUNT",
    help="So many of this owned target; 0 for none; repeatable.",
)
@click.option(
    "--price",
    multiple=True,
    type=_Named("TARGET=IN,OUT"),
    metavar="TARGET=IN,OUT",
    help="This metered target charges so much, in $/M tokens; repeatable.",
)
@click.option("--slo-ttft", type=duration_s, metavar="DURATION", help="Time to first token promised.")
@click.option("--slo-tpot", type=duration_s, metavar="DURATION", help="Time per output token promised.")
@click.option(
    "--outage",
    multiple=True,
    type=_Named("TARGET=FROM,UNTIL"),
    metavar="TARGET=FROM,UNTIL",
    help="This target fails from then until then, as durations from the start; repeatable.",
)
@click.option(
    "--autoscale",
    type=click.IntRange(1),
    metavar="FLOOR",
    help="Scale the owned targets, each to what is given as --replicas, down to so many.",
)
@click.option(
    "--cold-start",
    type=duration_s,
    default="5m",
    show_default=True,
    metavar="DURATION",
    help="Until a started replica serves.",
)
@click.option("--fewest", metavar="TARGET", help="How many of this owned target keep the SLO alone, too.")
@click.option(
    "--percentile",
    type=click.FloatRange(50, 99.9),
    default=95.0,
    show_default=True,
    help="Share of requests that --fewest must keep it for.",
)
@click.option(
    "--growth", type=click.FloatRange(-0.99), metavar="SHARE", help="A month, for --fewest; 0.1 is 10%."
)
@click.option("--model", help="Model that all requests are for, where TRAFFIC names none.")
@click.option("--format", "format_", metavar="NAME", help="Format of TRAFFIC, where it is not recognised.")
@click.option("--columns", metavar="A=B,…", help="Columns of a plain TRAFFIC file.")
@click.option(
    "--on",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Day of the token prices.  [default: today, UTC]",
)
@click.option(
    "--whole", is_flag=True, help="Simulate every request; else more than a million are sampled in windows."
)
@click.option("--json", "as_json", is_flag=True, help="Print the views as JSON.")
def command(traffic: str, **options: Any) -> None:
    """Cost, TTFT and spill of past requests, before and after a change of policy, fleet or prices.

    TRAFFIC is ledger:DIR or a file of requests (CSV, JSONL, Parquet, known trace formats). It runs through
    the simulator behind the gateway's own dispatch code, under the configuration as it is and under the
    changed one; of a ledger, what it recorded stands beside. Nothing is sent anywhere, and no credential is
    read.
    """
    from baseload.plan.replay import recorded, replay_dict, scenario_of, simulated
    from baseload.plan.replay_windows import WHOLE_REQUESTS, in_windows

    as_json = options.pop("as_json")
    if options["growth"] is not None and options["fewest"] is None:
        raise click.UsageError("--growth says for how long the --fewest replicas do; name their target")
    if _given("percentile") and options["fewest"] is None:
        raise click.UsageError("--percentile is the share that --fewest keeps the SLO for; name its target")
    if _given("cold_start") and options["autoscale"] is None:
        raise click.UsageError("--cold-start is that of --autoscale; say down to how many replicas")
    on = datetime.now(UTC).date() if options["on"] is None else options["on"].date()
    change = _change(options)
    requests = _requests(traffic, options["format_"], options["columns"])
    _within(change.outages, requests)
    before = scenario_of(_snapshot(options["config"], on), requests, options["model"])
    after: Scenario | None = None
    if options["other"] is not None:
        after = scenario_of(_snapshot(options["other"], on), requests, options["model"])
    if change.anything:
        after = change.applied(before if after is None else after)
    views = []
    if traffic.startswith("ledger:"):
        views.append(recorded(Path(traffic.removeprefix("ledger:"))))
    for name, scenario in (("before", before), ("after", after)):
        if scenario is not None:
            with _progress(name, len(requests)) as passed:
                estimated = len(requests) > WHOLE_REQUESTS and not options["whole"]
                estimated = estimated and not (scenario.outages or scenario.autoscale)
                view = in_windows if estimated else simulated
                views.append(view(name, requests, scenario, passed))
    sized = None
    if options["fewest"] is not None:
        from baseload.plan.sized import size

        changed = before if after is None else after
        sized = size(requests, changed, options["fewest"], options["percentile"] / 100, options["growth"])
    if as_json:
        click.echo(json.dumps(replay_dict(requests, views, sized), indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    from baseload.plan.replay_terminal import print_replay

    print_replay(requests, views, sized, Console())


def _given(option: str) -> bool:
    """Whether this option is on the command line, and not its default."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def _requests(traffic: str, format_: str | None, columns: str | None) -> Traffic:
    from baseload.traffic.read import Format, read_traffic

    if traffic.startswith("ledger:"):
        return read_traffic(traffic.removeprefix("ledger:"), format=Format.LEDGER)
    return read_traffic(traffic, format=format_, columns=columns)


@contextmanager
def _progress(name: str, requests: int) -> Iterator[Callable[[int], None] | None]:
    """A bar on standard error where a person watches and it takes more than a moment."""
    if requests < LONG_REQUESTS or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=requests)
        yield lambda passed: bar.update(task, completed=passed)


def _snapshot(path: Path, on: date) -> Snapshot:
    from baseload.gateway.snapshot import load_snapshot

    with tempfile.TemporaryDirectory() as cache:
        return load_snapshot(path, on, cache_dir=Path(cache), env=_Unset(os.environ)).snapshot


class _Unset(Mapping[str, str]):
    """The environment, where what is not set is `unset`: credentials are not needed here."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def __getitem__(self, name: str) -> str:
        return self._known.get(name) or "unset"

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _change(options: dict[str, Any]) -> Change:
    """The options as a Change. Raises BadParameter for values that cannot be meant."""
    from baseload.plan.replay import Change
    from baseload.plan.scenario import Autoscale

    for name in ("slo_ttft", "slo_tpot"):
        if options[name] == 0:
            option = f"--{name.replace('_', '-')}"
            raise click.BadParameter("nothing is served in no time", param_hint=option)
    floor = options["autoscale"]
    return Change(
        replicas={name: _count(text) for name, text in options["replicas"]},
        prices={name: _price(text) for name, text in options["price"]},
        ttft_s=options["slo_ttft"],
        tpot_s=options["slo_tpot"],
        autoscale=None if floor is None else Autoscale(floor, options["cold_start"]),
        outages=tuple(_outage(name, text) for name, text in options["outage"]),
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise click.BadParameter(f"{text!r} is no number of replicas", param_hint="--replicas")
    return int(text)


def _price(text: str) -> Any:
    from baseload.core import TokenPrice
    from baseload.money import nano

    try:
        price_in, price_out = (nano(part) for part in text.replace("$", "").split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no pair of prices; write IN,OUT like 2.50,10", param_hint="--price"
        ) from None
    return TokenPrice(price_in, price_out, source="given")


def _outage(name: str, text: str) -> Outage:
    from baseload.plan.scenario import Outage

    begin, comma, end = text.partition(",")
    if not comma:
        raise click.BadParameter(f"{text!r} is no FROM,UNTIL like 10m,25m", param_hint="--outage")
    outage = Outage(name, duration_s(begin), duration_s(end))
    if outage.from_s >= outage.until_s:
        raise click.BadParameter(f"{text!r} ends before it begins", param_hint="--outage")
    return outage


def _within(outages: tuple[Outage, ...], requests: Traffic) -> None:
    """Raises BadParameter for an outage that begins when the traffic is over."""
    for outage in outages:
        if outage.from_s >= requests.duration_s:
            raise click.BadParameter(
                f"the outage of {outage.target} begins at {outage.from_s:g} s, "
                f"and the traffic lasts {requests.duration_s:g} s",
                param_hint="--outage",
            )
