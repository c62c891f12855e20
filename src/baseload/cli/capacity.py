"""`baseload capacity`: what one replica gives, for one setup, a table of them, or the cheapest one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from baseload.cli import duration_s
from baseload.cli.options.modes import Finite, one_mode, refuse_unused
from baseload.errors import UsageError

if TYPE_CHECKING:
    from baseload.capacity.anchors import Anchor
    from baseload.capacity.answer import Answer, Factors
    from baseload.capacity.calibrate import Calibration
    from baseload.capacity.search import Found
    from baseload.capacity.terms import Load, Setup

SHOWN = 10

_SETUP = ("model", "gpu_names", "gpus", "precision", "engine")
_SPLIT = ("data", "expert", "speculative")
_LOAD = ("input_tokens", "output_tokens", "concurrency")
_ENGINE = ("cached_share", "chunk_tokens", "accepted_tokens", "lora_slowdown")
_SLO = ("ttft", "tpot", "tokens_per_s", "cautious")
USED = {
    "a question about one setup": (
        *(*_SETUP, *_SPLIT, *_LOAD, *_ENGINE),
        *("kv_precision", "max_sequences", "anchors", "as_json"),
    ),
    "--table": ("table", *_ENGINE, "speculative", "as_json"),
    "--search": ("search", *_SETUP, *_LOAD[:2], *_ENGINE, "kv_precision", *_SLO, "as_json"),
    "--calibrate": ("calibrate", *_LOAD, "as_json"),
    "--calibrate with --model": (
        *("calibrate", *_SETUP, *_SPLIT, *_LOAD, *_ENGINE),
        *("kv_precision", "max_sequences", "as_json"),
    ),
}
"""Options that each mode uses, by the names of the command's parameters; it refuses the others."""


def _anchor(text: str) -> Anchor:
    """A measured point: CONCURRENCY:INPUT:OUTPUT=TPOT, or TPOT/TTFT."""
    from baseload.capacity.anchors import Anchor
    from baseload.capacity.terms import Load

    try:
        load, _, measured = text.partition("=")
        concurrency, read, made = (float(part) for part in load.split(":"))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no point; write 16:1024:1024=18.5ms or 16:1024:1024=18.5ms/300ms"
        ) from None
    if not all(1 <= each < float("inf") for each in (concurrency, read, made)):
        raise click.BadParameter(f"{text!r} is no point: its numbers are at least 1")
    tpot, _, ttft = measured.partition("/")
    return Anchor(Load(concurrency, read, made), duration_s(tpot), duration_s(ttft) if ttft else None)


@click.command(
    epilog="Examples: baseload capacity --model llama-3.3-70b --gpu h100 --gpus 2 --precision fp8 "
    "--input 1024 --output 1024 --concurrency 64  "
    "baseload capacity --model llama-3.3-70b --search --ttft 2s --tpot 40ms  "
    "baseload capacity --table questions.csv --json  "
    "baseload capacity --calibrate bench.csv --input 2000 --output 500 --concurrency 32"
)
@click.option("--model", help="Open model of the catalog.")
@click.option("--gpu", "gpu_names", multiple=True, help="GPU of the catalog; repeatable with --search.")
@click.option("--gpus", type=int, help="GPUs of the replica.  [default: 1]")
@click.option("--precision", help="Precision of the weights.  [default: the maker's own]")
@click.option("--engine", help="vllm, sglang or trtllm.  [default: vllm; all with --search]")
@click.option("--attention-data-parallel", "data", type=int, help="Copies of the attention.  [default: 1]")
@click.option(
    "--expert-parallel", "expert", type=int, help="GPUs whole experts are spread over.  [default: 1]"
)
@click.option(
    "--input", "input_tokens", type=Finite(1), default=1024, show_default=True, help="Mean prompt tokens."
)
@click.option(
    "--output", "output_tokens", type=Finite(1), default=1024, show_default=True, help="Mean answer tokens."
)
@click.option(
    "--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Requests that run at once."
)
@click.option(
    "--max-sequences", type=click.IntRange(1), help="Admission limit.  [default: the engine's, 256]"
)
@click.option(
    "--cached-share",
    type=Finite(0),
    default=0.0,
    show_default=True,
    help="Share of a prompt the prefix cache holds.",
)
@click.option(
    "--chunk",
    "chunk_tokens",
    type=int,
    default=8192,
    show_default=True,
    help="Prompt tokens a step may prefill.",
)
@click.option(
    "--accepted-tokens",
    type=Finite(1),
    default=1.0,
    show_default=True,
    help="Tokens a step yields with speculative decoding.",
)
@click.option(
    "--speculative",
    type=click.Choice(["yes", "no", "unknown"]),
    default="unknown",
    show_default=True,
    help="Whether the engine guesses tokens ahead, as measured runs did; unknown: as often as they did.",
)
@click.option(
    "--lora-slowdown",
    type=Finite(1),
    default=1.0,
    show_default=True,
    help="How many times longer a step takes with adapters.",
)
@click.option(
    "--kv-cache",
    "kv_precision",
    default="bf16",
    show_default=True,
    help="Precision of the KV cache: bf16 or fp8.",
)
@click.option(
    "--anchor",
    "anchors",
    type=_anchor,
    multiple=True,
    metavar="C:IN:OUT=TPOT[/TTFT]",
    help="A point you measured on this setup; repeatable.",
)
@click.option(
    "--table", type=click.Path(path_type=Path), metavar="FILE", help="Answer every row of a CSV file."
)
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Fit your engine from a benchmark file.",
)
@click.option("--search", is_flag=True, help="The cheapest setups and offers that keep the SLO.")
@click.option(
    "--ttft", type=duration_s, metavar="SECONDS", default="2s", show_default=True, help="SLO of --search."
)
@click.option(
    "--tpot", type=duration_s, metavar="SECONDS", default="50ms", show_default=True, help="SLO of --search."
)
@click.option(
    "--tokens-per-s",
    type=Finite(),
    help="Output tokens/s that --search must serve.  [default: one full replica]",
)
@click.option("--cautious", is_flag=True, help="Hold the upper end of the 80% interval to the SLO.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(as_json: bool, table: Path | None, calibrate: Path | None, search: bool, **asked: Any) -> None:
    """What one replica gives: TTFT, TPOT, output tokens/s with 80% intervals, and what fits its memory.

    Fitted on published measurements, corrected by what groups of them have shown; for models and GPUs nobody
    measured the interval is wider. A setup whose weights and one request do not fit is refused; otherwise
    memory caps the concurrency, and the answer says at what.
    """
    mode = one_mode({"--table": table is not None, "--search": search, "--calibrate": calibrate is not None})
    if mode == "--calibrate" and asked["model"]:
        mode = "--calibrate with --model"
    refuse_unused(mode or "a question about one setup", USED[mode or "a question about one setup"])
    if table is not None:
        _table(table, asked, as_json)
    elif search:
        _search(asked, as_json)
    elif calibrate is not None:
        _calibrate(calibrate, asked, as_json)
    else:
        _one(asked, as_json)


def _factors(asked: dict[str, Any]) -> Factors:
    from baseload.capacity.answer import Factors

    return Factors(**{name: asked[name] for name in Factors.__struct_fields__})


def _load(asked: dict[str, Any]) -> Load:
    from baseload.capacity.terms import Load

    return Load(asked["concurrency"], asked["input_tokens"], asked["output_tokens"])


def _setup(asked: dict[str, Any]) -> Setup:
    from baseload.capacity.engines import engine_name
    from baseload.capacity.measured import find_model
    from baseload.capacity.memory import GPUS_MOST
    from baseload.capacity.questions import SPECULATIVE
    from baseload.capacity.terms import Setup
    from baseload.catalog.gpus import gpu

    if not asked["model"] or len(asked["gpu_names"]) != 1:
        raise UsageError("name a model and a GPU", hint="--model llama-3.3-70b --gpu h100")
    model = find_model(asked["model"])
    gpus, data = asked["gpus"] or 1, asked["data"] or 1
    if not 1 <= gpus <= GPUS_MOST:
        raise UsageError(f"a replica of {gpus} GPUs is not modelled", hint=f"use 1 to {GPUS_MOST}, one node")
    if data < 1 or gpus % data:
        raise UsageError(f"{gpus} GPUs cannot hold {data} copies of the attention")
    return Setup(
        model,
        gpu(asked["gpu_names"][0]),
        asked["precision"] or model.precisions[0],
        engine_name(asked["engine"] or "vllm"),
        tensor=gpus // data,
        data=data,
        expert=asked["expert"] or 1,
        speculative=SPECULATIVE[asked["speculative"]],
    )


def _named(setup: Setup) -> dict[str, Any]:
    """A setup in plain words, as every JSON answer begins."""
    return {
        "model": setup.model.name,
        "gpu": setup.gpu.name,
        "gpus": setup.gpus,
        "precision": setup.precision,
        "engine": setup.engine,
        "tensor_parallel": setup.tensor,
        "attention_data_parallel": setup.data,
        "expert_parallel": setup.expert,
    }


def _link_stated(setup: Setup) -> bool:
    """Whether the catalog states the links between this GPU and its neighbours."""
    return setup.gpu.link_bytes_per_s is not None


def _one(asked: dict[str, Any], as_json: bool) -> None:
    from baseload.capacity.answer import answer
    from baseload.capacity.launch import launch_command
    from baseload.capacity.terms import link_bytes_per_s

    setup, load = _setup(asked), _load(asked)
    factors, most = _factors(asked), asked["max_sequences"]
    found = answer(setup, load, factors, asked["anchors"], most)
    launch = launch_command(setup, max_sequences=most, factors=factors)
    if as_json:
        lengths = {"input_tokens": load.input_tokens, "output_tokens": load.output_tokens}
        links = {"link_gb_per_s": link_bytes_per_s(setup.gpu) / 1e9, "link_stated": _link_stated(setup)}
        said = _named(setup) | lengths | links | msgspec.to_builtins(found) | {"launch": launch}
        click.echo(json.dumps(said, indent=2, allow_nan=False))
        return
    _print_answer(setup, load, found)
    click.echo(f"\n{launch}")


def _print_answer(setup: Setup, load: Load, found: Answer) -> None:
    split = f"tensor {setup.tensor}, attention copies {setup.data}, experts over {setup.expert}"
    what = f"{setup.model.name} at {setup.precision} on {setup.gpus} x {setup.gpu.name}"
    click.echo(f"{what}, {setup.engine} ({split})")
    click.echo(f"{found.concurrency} at once, {load.input_tokens:g} in / {load.output_tokens:g} out")
    if found.capped_by:
        click.echo(f"  {found.concurrency_asked} were asked for: capped by {found.capped_by}")
    rows = (
        ("TTFT", found.ttft_ms, found.ttft_ms_low, found.ttft_ms_high, "ms"),
        ("TPOT", found.tpot_ms, found.tpot_ms_low, found.tpot_ms_high, "ms"),
        (
            "output",
            found.output_tokens_per_s,
            found.output_tokens_per_s_low,
            found.output_tokens_per_s_high,
            "tokens/s",
        ),
    )
    for name, value, low, high, unit in rows:
        click.echo(f"  {name:<8}{value:>10,.1f} {unit:<9} 80%: {low:,.1f} to {high:,.1f}")
    click.echo(f"  KV room {found.kv_tokens:>10,} tokens")
    if setup.gpus > 1 and not _link_stated(setup):
        click.echo(f"  nobody states how {setup.gpu.name} are linked: counted as PCIe 4 x16")
    click.echo(f"  basis: {found.basis}, {found.measured_rows} measured rows")


def _table(file: Path, asked: dict[str, Any], as_json: bool) -> None:
    from baseload.capacity.questions import SPECULATIVE, answers, read_questions

    rows = list(answers(read_questions(file), _factors(asked), SPECULATIVE[asked["speculative"]]))
    refused = [row for row in rows if "error" in row]
    if as_json:
        said = {"rows": rows, "answered": len(rows) - len(refused), "refused": len(refused)}
        click.echo(json.dumps(said, indent=2, allow_nan=False))
    else:
        for row in rows:
            what = f"{row['row']:>5} {row['model_path']:<36.36} {row['system']:<10} {row['concurrency']:>6}"
            if "error" in row:
                click.echo(f"{what}  {row['error']}")
            else:
                interval = f"{row['tpot_ms_low']:.1f} to {row['tpot_ms_high']:.1f}"
                click.echo(
                    f"{what}  TTFT {row['ttft_ms']:,.0f} ms, TPOT {row['tpot_ms']:.1f} ms ({interval})"
                )
        click.echo(f"{len(rows) - len(refused)} answered, {len(refused)} refused")
    if rows and len(refused) == len(rows):
        raise click.exceptions.Exit(1)


def _search(asked: dict[str, Any], as_json: bool) -> None:
    from baseload.capacity.engines import engine_name
    from baseload.capacity.measured import find_model
    from baseload.capacity.search import COUNTS, Wanted, search
    from baseload.catalog.gpus import gpu, gpus
    from baseload.core import Slo

    if not asked["model"]:
        raise UsageError("name a model", hint="--model llama-3.3-70b")
    boards = [gpu(name) for name in asked["gpu_names"]] or list(gpus())
    wanted = Wanted(
        asked["input_tokens"],
        asked["output_tokens"],
        Slo(asked["ttft"], asked["tpot"]),
        asked["tokens_per_s"],
        asked["cautious"],
        _factors(asked),
    )
    narrowed: dict[str, Any] = {"counts": (asked["gpus"],) if asked["gpus"] else COUNTS}
    if asked["precision"]:
        narrowed["precisions"] = (asked["precision"],)
    if asked["engine"]:
        narrowed["engines"] = (engine_name(asked["engine"]),)
    found = search(find_model(asked["model"]), boards, wanted, **narrowed)
    if as_json:
        click.echo(
            json.dumps({"found": [_found(each) for each in found[:SHOWN]], "of": len(found)}, indent=2)
        )
    elif found:
        _print_found(found)
    if not found:
        if not as_json:
            click.echo("nothing keeps this SLO: loosen it, or allow more GPUs")
        raise click.exceptions.Exit(1)


def _found(found: Found) -> dict[str, Any]:
    offer = found.offer
    return {
        **_named(found.setup),
        **msgspec.to_builtins(found.answer),
        "replicas": found.replicas,
        "usd_per_replica_hour": found.usd_per_replica_hour,
        "usd_per_hour": found.usd_per_hour,
        "usd_per_million_output_tokens": found.usd_per_million_output_tokens,
        "offer": f"{offer.provider}/{offer.region}/{offer.instance}",
        "offer_source": offer.source,
        "offer_as_of": offer.as_of,
        "launch": found.launch,
    }


def _print_found(found: list[Found]) -> None:
    head = (
        f"{'setup':<34}{'at once':>8}{'TPOT':>8}{'TTFT':>8}{'out tok/s':>11}{'$/h':>9}{'$/M out':>9}  offer"
    )
    click.echo(head)
    for each in found[:SHOWN]:
        setup, given, offer = each.setup, each.answer, each.offer
        split = f" ep{setup.expert}" if setup.expert > 1 else ""
        split += f" dp{setup.data}" if setup.data > 1 else ""
        name = f"{setup.gpus}x{setup.gpu.name} {setup.precision} {setup.engine}{split}"
        click.echo(
            f"{name:<34}{given.concurrency:>8}{given.tpot_ms:>8.1f}{given.ttft_ms:>8.0f}"
            f"{given.output_tokens_per_s * each.replicas:>11,.0f}{each.usd_per_hour:>9.2f}"
            f"{each.usd_per_million_output_tokens:>9.3f}  {offer.provider} {offer.instance}"
            + (f" x {each.replicas}" if each.replicas > 1 else "")
        )
    best = found[0]
    click.echo(f"\ncheapest of {len(found)}: price from {best.offer.source}, {best.offer.as_of}")
    click.echo(best.launch)


def _calibrate(file: Path, asked: dict[str, Any], as_json: bool) -> None:
    from baseload.capacity.calibrate import calibrate
    from baseload.capacity.imports import read_points

    kind, points = read_points(file)
    made = calibrate(points, f"{file.name} ({kind}, {len(points)} points)")
    said = _calibrated(made, kind, _load(asked))
    if asked["model"]:
        from baseload.capacity.answer import answer

        setup = _setup(asked)
        anchored = answer(setup, _load(asked), _factors(asked), made.anchors(), asked["max_sequences"])
        said["setup"] = _named(setup) | msgspec.to_builtins(anchored)
    if as_json:
        click.echo(json.dumps(said, indent=2, allow_nan=False))
        return
    click.echo(
        f"{kind}: {len(points)} points of {made.shapes} shapes; left out, 80% are within {made.error:.0%}"
    )
    click.echo("step_time:")
    for name, value in said["step_time"].items():
        click.echo(f"  {name}: {value:.6g}")
    asked_for = said["asked"]
    ttft = "" if asked_for["ttft_ms"] is None else f"TTFT {asked_for['ttft_ms']:,.0f} ms, "
    click.echo(
        f"{asked_for['concurrency']} at once, {asked_for['input_tokens']:g} in / "
        f"{asked_for['output_tokens']:g} out: {ttft}TPOT {asked_for['tpot_ms']:.1f} ms "
        f"({asked_for['tpot_ms_low']:.1f} to {asked_for['tpot_ms_high']:.1f})"
    )
    for warning in said["extrapolates"]:
        click.echo(f"  extrapolation: {warning}")


def _calibrated(made: Calibration, kind: str, load: Load) -> dict[str, Any]:
    """A calibration and its answer to one load, as plain values."""
    step = made.step
    tpot_ms = made.tpot_s(load) * 1e3
    ttft_s = made.ttft_s(load)
    names = ("base_s", "per_sequence_s", "per_kv_token_s", "per_prefill_token_s")
    return {
        "format": kind,
        "points": len(made.points),
        "shapes": made.shapes,
        "error": made.error,
        "step_time": {name: getattr(step, name) for name in names},
        "measured_from": made.lowest._asdict(),
        "measured_to": made.highest._asdict(),
        "asked": {
            "concurrency": load.concurrency,
            "input_tokens": load.input_tokens,
            "output_tokens": load.output_tokens,
            "ttft_ms": None if ttft_s is None else ttft_s * 1e3,
            "tpot_ms": tpot_ms,
            "tpot_ms_low": tpot_ms / (1 + made.error),
            "tpot_ms_high": tpot_ms * (1 + made.error),
        },
        "extrapolates": made.extrapolates(load),
    }
