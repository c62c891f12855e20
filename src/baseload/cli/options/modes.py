"""Commands with several modes: an option that the mode at hand does not use is an error, never dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import click
from click.core import ParameterSource

from baseload.errors import UsageError


def refuse_unused(mode: str, used: Collection[str]) -> None:
    """Raises UsageError, naming it and the mode, for the first given option that `used` does not hold."""
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) in (
            ParameterSource.COMMANDLINE,
            ParameterSource.ENVIRONMENT,
        )
        if given and isinstance(option, click.Option) and name not in used and not option.envvar:
            flag = max(option.opts, key=len)
            raise UsageError(f"{mode} does not use {flag}", hint=f"leave {flag} out")


def one_mode(given: Mapping[str, bool]) -> str | None:
    """The one mode that was asked for, None without; UsageError for two."""
    asked = [name for name, on in given.items() if on]
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} are two questions", hint="ask one at a time")
    return asked[0] if asked else None


class Finite(click.ParamType[float]):
    """A number from `least` on: NaN and infinity are none, since no answer follows from them."""

    name = "float"

    def __init__(self, least: float = 0.0) -> None:
        self.least = least

    def convert(
        self, value: object, parameter: click.Parameter | None, context: click.Context | None
    ) -> float:
        """The number, or a usage error that says what is wrong with it."""
        try:
            number = float(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a number", parameter, context)
        if not self.least <= number < float("inf"):
            self.fail(f"{value!r} is not a number from {self.least:g} on", parameter, context)
        return number
