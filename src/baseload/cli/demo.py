"""`baseload demo`: the whole loop on real input."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import click

from baseload.errors import UsageError


@click.command(
    epilog="Examples: baseload demo    baseload demo --trace AzureLLMInferenceTrace_conv.csv --out azure-demo"
)
@click.option(
    "--trace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Play this trace instead of the shipped Azure hour.",
)
@click.option(
    "--real", metavar="NAME", help="Spill to this real API: PROVIDER or PROVIDER/MODEL; costs money."
)
@click.option("--max-usd", type=click.FloatRange(0, min_open=True), help="Most that --real may spend.")
@click.option(
    "--minutes", type=click.FloatRange(0.1, 60), default=1.1, show_default=True, help="How long to play."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed draws another hour.")
@click.option("--plain", is_flag=True, help="Lines instead of a live view.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for what stays.",
)
def command(
    trace: Path | None,
    real: str | None,
    max_usd: float | None,
    minutes: float,
    seed: int,
    plain: bool,
    out: Path,
) -> None:
    """The whole loop on real input, in under three minutes: engine, gateway, traffic, ledger, plan.

    A real engine serves on this CPU beside a simulated API; real traffic passes through the gateway until
    the engine is full, spills, and comes back; the ledger becomes a plan. Nothing is spent without --real.
    """
    from baseload.demo.screen import Screen
    from baseload.demo.story import DemoOptions, tell
    from baseload.engine.model import default_model, require_openvino

    if max_usd is not None and real is None:
        raise UsageError("--max-usd without --real", hint="nothing is spent without --real")
    require_openvino()
    default_model()
    signal.signal(signal.SIGTERM, _interrupt)
    tell(DemoOptions(out, trace, real, max_usd, minutes * 60, seed), Screen(plain=plain))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends the demo as Ctrl-C does: in order, with every child stopped."""
    raise KeyboardInterrupt
