"""`baseload bench`: measure a live OpenAI-format endpoint, and write a file that `capacity` can fit."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress

from baseload.cli import duration_s
from baseload.cli.options.modes import refuse_unused
from baseload.core import Slo
from baseload.errors import EnvironmentProblem
from baseload.player.client import Endpoint
from baseload.player.play import PlaySettings, play
from baseload.player.sweep import Measured, Shape, Sweep, SweepSettings
from baseload.traffic.read import read_traffic

SHAPES = ("512/128", "512/512", "4096/128")
CONCURRENCIES = (1, 4, 16, 64)
MOST_CONCURRENT = 1024

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided"
"""What an SLO search found: a concurrency that keeps it, that not even one does, or that a bound ended it."""

Best = dict[Shape, tuple[str, Measured | None]]
"""Outcome of each shape, with the largest point seen to keep the SLO."""

_ALL = ("model", "api_key", "max_requests", "max_time", "timeout", "seed", "ignore_eos", "as_json")
_SWEEP = (*_ALL, "shapes", "levels", "rounds", "out")
USED = {"a sweep": _SWEEP, "--slo": (*_SWEEP, "slo", "ttft", "tpot"), "--trace": (*_ALL, "trace")}
"""Options that each mode uses, by the names of the command's parameters; it refuses the others."""


def _shape(text: str) -> Shape:
    """Prompt and answer: 1024/256."""
    try:
        shape = Shape(*(int(part) for part in text.split("/")))
    except (TypeError, ValueError):
        raise click.BadParameter(f"{text!r} is no shape; write INPUT/OUTPUT like 1024/256") from None
    if min(shape) < 2:
        raise click.BadParameter("prompt and answer have at least two tokens: TPOT needs a second one")
    return shape


@click.command(
    epilog="Examples: baseload bench http://127.0.0.1:8001/v1 --model llama-3.3-70b --out bench.csv  "
    "baseload bench http://127.0.0.1:8001/v1 --model llama-3.3-70b --slo --ttft 1s --tpot 40ms"
)
@click.argument("url")
@click.option("--model", required=True, help="Model to ask for.")
@click.option(
    "--api-key", envvar="OPENAI_API_KEY", default="", help="Key of the endpoint, or OPENAI_API_KEY."
)
@click.option(
    "--shape",
    "shapes",
    type=_shape,
    multiple=True,
    metavar="IN/OUT",
    default=SHAPES,
    show_default=True,
    help="Tokens of prompt and answer; repeatable.",
)
@click.option(
    "--concurrency",
    "levels",
    type=click.IntRange(1, MOST_CONCURRENT),
    multiple=True,
    default=CONCURRENCIES,
    show_default=True,
    help="Requests at once; repeatable.",
)
@click.option(
    "--rounds",
    type=click.IntRange(2),
    default=4,
    show_default=True,
    help="Requests per worker and point; the first is not counted.",
)
@click.option(
    "--max-requests", type=click.IntRange(1), default=2000, show_default=True, help="Requests in all."
)
@click.option(
    "--max-time", type=duration_s, metavar="SECONDS", default="15m", show_default=True, help="Time in all."
)
@click.option(
    "--timeout", type=duration_s, metavar="SECONDS", default="2m", show_default=True, help="Of one request."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the prompts.")
@click.option(
    "--ignore-eos/--no-ignore-eos",
    default=True,
    show_default=True,
    help="Ask for answers of full length (vLLM's and SGLang's).",
)
@click.option("--slo", is_flag=True, help="Look for the largest concurrency that keeps --ttft and --tpot.")
@click.option(
    "--ttft", type=duration_s, metavar="SECONDS", default="2s", show_default=True, help="SLO of --slo."
)
@click.option(
    "--tpot", type=duration_s, metavar="SECONDS", default="50ms", show_default=True, help="SLO of --slo."
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Play a traffic file, when its requests are due, instead.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the points as CSV."
)
@click.option("--json", "as_json", is_flag=True, help="Print the points as JSON.")
def command(url: str, as_json: bool, **asked: Any) -> None:
    """Measure a live endpoint: every shape at every concurrency, within a number of requests and a time.

    The file of --out is what `baseload capacity --calibrate` fits: keep three shapes at least. Prompts are
    plain words, each different, so that no prefix cache shortens them.
    """
    mode = "--trace" if asked["trace"] is not None else "--slo" if asked["slo"] else "a sweep"
    refuse_unused(mode, USED[mode])
    endpoint = Endpoint.parse(url, asked["api_key"])
    if asked["trace"] is not None:
        _trace(endpoint, asked, as_json)
        return
    settings = SweepSettings(
        model=asked["model"],
        rounds=asked["rounds"],
        most_requests=asked["max_requests"],
        most_s=asked["max_time"],
        timeout_s=asked["timeout"],
        seed=asked["seed"],
        ignore_eos=asked["ignore_eos"],
    )
    slo = Slo(asked["ttft"], asked["tpot"]) if asked["slo"] else None
    points, best, stopped = asyncio.run(_measure(endpoint, settings, asked, slo))
    if asked["out"] is not None:
        _write(asked["out"], points, asked["model"])
    _say(points, best, slo, stopped, as_json)
    outcomes = {outcome for outcome, _ in best.values()}
    if not points or FAILS in outcomes:
        raise click.exceptions.Exit(1)
    if UNDECIDED in outcomes:
        raise click.exceptions.Exit(3)


async def _measure(
    endpoint: Endpoint, settings: SweepSettings, asked: dict[str, Any], slo: Slo | None
) -> tuple[list[Measured], Best, str | None]:
    """Points, the best one per shape where an SLO was asked for, and which bound ended it."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start", total=None)

        def watch(name: str, done: int, wanted: int) -> None:
            bar.update(task, description=name, completed=done, total=wanted)

        sweep = Sweep(endpoint, settings, watch)
        if slo is None:
            return await sweep.run(asked["shapes"], asked["levels"]), {}, sweep.stopped
        points: list[Measured] = []
        best: Best = {}
        for shape in asked["shapes"]:
            largest, seen = await sweep.largest(shape, slo, max(asked["levels"]))
            outcome = HOLDS if largest is not None else FAILS
            best[shape] = (outcome if sweep.stopped is None else UNDECIDED), largest
            points += seen
        return points, best, sweep.stopped


def _trace(endpoint: Endpoint, asked: dict[str, Any], as_json: bool) -> None:
    """Open loop: a traffic file's requests when they are due, cut to the bounds."""
    whole = read_traffic(asked["trace"])
    kept = np.arange(len(whole)) < asked["max_requests"]
    kept &= whole.arrival_s <= whole.arrival_s[:1] + asked["max_time"]
    part = whole.where(kept)
    settings = PlaySettings(
        model=asked["model"], seed=asked["seed"], ignore_eos=asked["ignore_eos"], timeout_s=asked["timeout"]
    )
    played = asyncio.run(play(part, endpoint, settings))
    totals = played.totals
    said = {
        "requests": totals.requests,
        "of": len(whole),
        "failed": totals.failed,
        "requests_per_s": played.requests_per_s,
        "ttft_p50_ms": None if totals.ttft_p50_s is None else totals.ttft_p50_s * 1e3,
        "ttft_p99_ms": None if totals.ttft_p99_s is None else totals.ttft_p99_s * 1e3,
        "tpot_p50_ms": None if totals.tpot_p50_s is None else totals.tpot_p50_s * 1e3,
        "output_tokens": totals.output_tokens,
        "late_p99_ms": played.late_p99_s * 1e3,
    }
    if as_json:
        click.echo(json.dumps(said, indent=2, allow_nan=False))
    else:
        for name, value in said.items():
            click.echo(f"{name:<16}{value if value is None or isinstance(value, int) else round(value, 3)}")
    if totals.failed == totals.requests:
        raise click.exceptions.Exit(1)


def _write(file: Path, points: list[Measured], model: str) -> None:
    text = io.StringIO()
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    text.write(f"# baseload bench of {model}, {when} UTC; closed loop, means over requests\n")
    writer = csv.DictWriter(text, Measured.__struct_fields__, lineterminator="\n")
    writer.writeheader()
    writer.writerows(msgspec.to_builtins(point) for point in points)
    try:
        file.write_text(text.getvalue(), encoding="utf-8")
    except OSError as problem:
        raise EnvironmentProblem(f"cannot write {file}: {problem.strerror}") from None


def _say(
    points: list[Measured],
    best: Best,
    slo: Slo | None,
    stopped: str | None,
    as_json: bool,
) -> None:
    if as_json:
        said: dict[str, Any] = {
            "points": [msgspec.to_builtins(point) for point in points],
            "stopped": stopped,
        }
        if slo is not None:
            said["largest"] = [
                {
                    "input_tokens": shape[0],
                    "output_tokens": shape[1],
                    "concurrency": point and point.asked,
                    "outcome": outcome,
                }
                for shape, (outcome, point) in best.items()
            ]
        click.echo(json.dumps(said, indent=2, allow_nan=False))
        return
    head = f"{'at once':>8}{'in':>8}{'out':>8}{'TTFT ms':>10}{'p99':>10}{'TPOT ms':>9}{'p99':>9}"
    click.echo(f"{head}{'out tok/s':>11}{'failed':>7}")
    for p in points:
        click.echo(
            f"{p.asked:>8}{p.input_tokens:>8.0f}{p.output_tokens:>8.0f}{p.ttft_ms:>10.1f}{p.ttft_p99_ms:>10.1f}"
            f"{p.tpot_ms:>9.2f}{p.tpot_p99_ms:>9.2f}{p.output_tokens_per_s:>11,.0f}{p.failed:>7}"
        )
    for shape, (outcome, point) in best.items():
        what = "not even one keeps the SLO" if point is None else f"{point.asked} at once keep the SLO"
        if outcome == UNDECIDED:
            seen = "nothing was seen to keep the SLO" if point is None else f"{what}, more was not tried"
            what = f"not decided, the bound of {stopped} ended it: {seen}"
        click.echo(f"{shape.input_tokens}/{shape.output_tokens}: {what}")
    if stopped is not None:
        click.echo(f"stopped at its bound of {stopped}", err=True)
