"""`baseload engine`: a real engine on this machine's CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from baseload.engine.engine import EngineSettings
from baseload.engine.model import default_model, describe, require_openvino
from baseload.engine.server import serve

DEFAULT_CONTEXT_TOKENS = 2048
"""Where the model does not say how much it takes."""

_COUNT0, _COUNT1 = click.IntRange(0), click.IntRange(1)


@click.command(
    epilog="Example: baseload engine --port 8000 --threads 1    then: curl http://127.0.0.1:8000/v1/models"
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A .gguf file or a folder in OpenVINO's format; default: SmolLM2-135M-Instruct.",
)
@click.option("--name", help="The name clients ask for; default: the file's.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=_COUNT0, default=8000, show_default=True, help="0 takes a free one.")
@click.option("--max-sequences", type=_COUNT1, default=4, show_default=True, help="Requests running at once.")
@click.option("--max-queue", type=_COUNT0, default=64, show_default=True, help="Requests that may wait.")
@click.option("--max-model-len", type=_COUNT1, help="Context in tokens; default: the model's own.")
@click.option("--kv-cache-gib", type=_COUNT1, default=1, show_default=True, help="Room of the KV cache.")
@click.option("--threads", type=_COUNT0, default=0, show_default=True, help="0: as many as cores.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines.")
def command(
    model: Path | None, name: str | None, host: str, port: int, max_sequences: int, max_queue: int,
    max_model_len: int | None, kv_cache_gib: int, threads: int, as_json: bool,
) -> None:  # fmt: skip
    """Serve a model on this machine's CPU in OpenAI's format, with vLLM's metrics.

    No GPU and no compiler: OpenVINO GenAI with continuous batching. Ends with SIGTERM after the running
    answers are done.
    """
    require_openvino()
    files = describe(model, name) if model else default_model()
    own = files.context_tokens or DEFAULT_CONTEXT_TOKENS
    settings = EngineSettings(
        path=str(files.path),
        name=name or files.name,
        context_tokens=min(max_model_len or own, own),
        max_sequences=max_sequences,
        max_queue=max_queue,
        threads=threads,
        kv_cache_gib=kv_cache_gib,
    )

    def tell(event: str, facts: dict[str, Any]) -> None:
        if as_json:
            click.echo(json.dumps({"event": event, **facts}))
        elif event == "listening":
            click.echo(f"{facts['model']} at {facts['url']}, loading")
        else:
            click.echo(f"ready after {facts['load_s']} s")

    serve(settings, host, port, tell)
