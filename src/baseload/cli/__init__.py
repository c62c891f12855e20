"""The command `baseload`: one file a command, loaded only when it is called.

Exit codes: 0 done, 1 the answer is no, 2 usage, 3 environment (see `errors.py`).
"""

from __future__ import annotations

import importlib
import sys

import click

from baseload import __version__
from baseload.errors import BaseloadError, nearest

COMMANDS = {
    "demo": "The whole loop on real input, in under three minutes.",
    "plan": "What to own and what to buy, with the numbers behind it.",
    "capacity": "What one replica gives: TTFT, TPOT, tokens/s, memory, the cheapest setup.",
    "bench": "Measure a live OpenAI-format endpoint: concurrency sweep, trace, SLO search.",
    "serve": "Run the gateway that baseload.yaml describes.",
    "engine": "A real engine on this machine's CPU, OpenAI format.",
    "twin": "A simulated engine or provider with scripted faults.",
    "keys": "Create, list and revoke the keys clients use.",
    "ledger": "Read the record of every request and attempt.",
    "bill": "What a provider's bill says, beside the catalog's prices.",
    "replay": "Past requests under another policy, fleet or price list.",
    "config": "Check baseload.yaml, or make one of another gateway's configuration.",
}


def duration_s(text: str) -> float:
    """Option type: seconds of `1.5s` or `60ms`, in the notation of baseload.yaml."""
    from baseload.config import units

    try:
        return units.duration_s(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is {error}") from None


class Group(click.Group):
    """Commands under one name; for a name that is none of them, says the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            near = nearest(args[0], known)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
            ctx.fail(f"unknown command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


class _LazyGroup(Group):
    """Finds a command's module by its name, so that `baseload serve` never imports the planner."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"baseload.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="baseload")
def cli() -> None:
    """Own the base load, buy the peaks: plan, run and check what LLM traffic to serve where."""


def main() -> None:
    """Entry point: errors of ours end with their message, what to do next, and their exit code."""
    try:
        cli(standalone_mode=True)
    except BaseloadError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
