"""`baseload twin`: simulated engines and providers to test clients, gateways and alerts against."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
import uvloop

from baseload.cli import Group, duration_s
from baseload.core import Limits
from baseload.errors import EnvironmentProblem
from baseload.twin.faults import KINDS, WHEN, Rule, Stage, parse_rule
from baseload.twin.pace import Latency
from baseload.twin.server import Twin, TwinConfig, rules_from_json

F = TypeVar("F", bound=Callable[..., Any])


SHARED = (
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option("--port", default=8001, show_default=True, help="Port; 0 takes a free one."),
    click.option("--speed", default=1.0, show_default=True, help="Run the clock this many times as fast."),
    click.option("--seed", default=0, show_default=True, help="Seed of drawn latencies and fault shares."),
    click.option("--output-tokens", default=128, show_default=True, help="Mean answer nobody gave a length."),
    click.option(
        "--fault", "faults", multiple=True, help="A fault rule, e.g. status=500,every=10; repeatable."
    ),
    click.option(
        "--faults",
        "fault_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Fault rules from a JSON file.",
    ),
    click.option(
        "--served",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Append a JSON line per request served to this file.",
    ),
    click.option("--keep", default=100_000, show_default=True, help="Requests kept for GET /twin/served."),
    click.option("--api-key", help="Answer 401 to any other key."),
    click.option("--json", "as_json", is_flag=True, help="Print the start line as JSON."),
)


def _shared(function: F) -> F:
    for option in reversed(SHARED):
        function = option(function)
    return function


@click.group(cls=Group)
def command() -> None:
    """Simulated engines and providers that speak the OpenAI format, with scripted faults.

    Nothing here answers anything real: every response carries `x-baseload-twin: simulated`.

    \b
    baseload twin engine --model llama-3.3-70b --gpu h100 --gpus 2 --precision fp8 --port 8001
    baseload twin provider --model gpt-4o --ttft 0.4s --tpot 12ms --requests-per-minute 500
    curl -s http://127.0.0.1:8001/v1/chat/completions -H 'content-type: application/json' \\
      -d '{"model":"llama-3.3-70b","messages":[{"role":"user","content":"hi"}],"max_tokens":5}'
    """


@command.command()
@click.option("--model", required=True, help="Open model of the catalog; also the name it serves.")
@click.option("--served-model", "names", multiple=True, help="Serve under this name instead; repeatable.")
@click.option("--gpu", required=True, help="GPU of the catalog.")
@click.option("--gpus", default=1, show_default=True, help="GPUs of the replica.")
@click.option("--precision", default="fp8", show_default=True, help="Precision of the weights.")
@click.option("--engine", default="vllm", show_default=True, help="Engine whose defaults hold.")
@click.option("--max-sequences", type=int, help="Admission limit; the engine's default otherwise.")
@_shared
def engine(
    model: str,
    names: tuple[str, ...],
    gpu: str,
    gpus: int,
    precision: str,
    engine: str,
    max_sequences: int | None,
    **shared: Any,
) -> None:
    """A simulated engine with the capacity model's timing: TTFT grows with queue and prompt, TPOT with batch.

    \b
    baseload twin engine --model llama-3.3-70b --gpu h100 --gpus 2 --precision fp8 --port 8001 --speed 10
    """
    from baseload.capacity.steptime import step_time
    from baseload.catalog.gpus import gpu as find_gpu
    from baseload.catalog.models import open_model

    made = open_model(model)
    step = step_time(made, find_gpu(gpu), gpus, precision, engine)
    if max_sequences is not None:
        step = msgspec.structs.replace(step, max_sequences=max_sequences)
    what = f"{engine} with {made.name} at {precision} on {gpus} x {gpu}"
    _serve(
        what,
        shared,
        models=names or (model,),
        step=step,
        context_tokens=made.context_tokens,
    )


@command.command()
@click.option("--provider", default="openai", show_default=True, help="Whose name the start line shows.")
@click.option("--model", "names", multiple=True, required=True, help="Model it serves; repeatable.")
@click.option(
    "--ttft",
    type=duration_s,
    metavar="SECONDS",
    default="0.4s",
    show_default=True,
    help="Median time to first token.",
)
@click.option(
    "--tpot",
    type=duration_s,
    metavar="SECONDS",
    default="12ms",
    show_default=True,
    help="Median time per token.",
)
@click.option("--spread", default=0.25, show_default=True, help="Sigma of the lognormal of both.")
@click.option("--requests-per-minute", type=int, help="Quota; 429 with Retry-After above it.")
@click.option("--tokens-per-minute", type=int, help="Quota of input and output tokens.")
@click.option("--context-tokens", default=131_072, show_default=True, help="Context window.")
@_shared
def provider(
    provider: str,
    names: tuple[str, ...],
    ttft: float,
    tpot: float,
    spread: float,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    context_tokens: int,
    **shared: Any,
) -> None:
    """A simulated provider: TTFT and TPOT drawn from a lognormal, and a quota.

    \b
    baseload twin provider --provider openai --model gpt-4o --ttft 0.4s --tpot 12ms --requests-per-minute 500
    """
    _serve(
        f"{provider} with {', '.join(names)}",
        shared,
        models=names,
        provider=provider,
        latency=Latency(ttft, tpot, spread),
        quota=Limits(requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute),
        context_tokens=context_tokens,
    )


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def faults(as_json: bool) -> None:
    """List the faults a twin can be told to make.

    \b
    baseload twin faults
    """
    if as_json:
        kinds = {kind: {"meaning": info.meaning, "fields": info.fields} for kind, info in KINDS.items()}
        click.echo(json.dumps({"kinds": kinds, "when": WHEN, "stages": list(Stage)}, indent=2))
        return
    for kind, info in KINDS.items():
        click.echo(f"{kind:<16} {info.meaning} ({', '.join(info.fields) or 'no fields'})")
    click.echo("\nA rule hits every request unless it says:")
    for name, meaning in WHEN.items():
        click.echo(f"{name:<16} {meaning}")
    click.echo(f"\nStages (`at`): {', '.join(Stage)}")


def _serve(what: str, shared: dict[str, Any], **config: Any) -> None:
    as_json = shared.pop("as_json")
    rules: list[Rule] = [parse_rule(text) for text in shared.pop("faults")]
    if (file := shared.pop("fault_file")) is not None:
        rules += rules_from_json(file.read_bytes())
    made = TwinConfig(
        mean_output_tokens=shared.pop("output_tokens"),
        served_file=shared.pop("served"),
        faults=tuple(rules),
        **shared,
        **config,
    )
    try:
        uvloop.run(_run(what, made, as_json))
    except PermissionError as problem:
        raise EnvironmentProblem(f"cannot write {problem.filename}: {problem.strerror}") from None


async def _run(what: str, config: TwinConfig, as_json: bool) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    twin = Twin(config, loop)
    await twin.listen()
    url = f"http://{config.host}:{twin.port}/v1"
    if as_json:
        started = {"simulated": True, "twin": what, "url": url, "port": twin.port, "models": config.models}
        click.echo(json.dumps(started))
    else:
        click.echo(f"simulated {what} on {url} (speed {config.speed:g}); Ctrl-C stops it")
    await stopped.wait()
    twin.close()
