"""`baseload keys`: who may use the data port."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from baseload import config as configuration
from baseload.cli import Group
from baseload.config import DEFAULT_TENANT, units
from baseload.core import Limits
from baseload.errors import UnknownName, UsageError
from baseload.keys import Key, KeyStore

DEFAULT_CONFIG = Path("baseload.yaml")


Command = Callable[..., None]


def _count(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """A limit in the notation of baseload.yaml."""
    try:
        number = None if value is None else units.count(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if number == 0:
        raise click.BadParameter("must be more than zero")
    return number


def _limit(name: str, more: str = "") -> Callable[[Command], Command]:
    return click.option(name, callback=_count, metavar="COUNT", help=f"Limit of this key alone{more}.")


def _place_options(function: Command) -> Command:
    """The options of every command here that say where the keys are."""
    path = click.Path(path_type=Path)
    file = click.option(
        "--config", "file", type=path, help="The file whose data folder holds the keys.  [baseload.yaml]"
    )
    folder = click.option("--data", "folder", type=path, help="The data folder itself, without a file.")
    return file(folder(function))


class _Place:
    """The folder of keys and, where a configuration file is at hand, the names it holds."""

    def __init__(self, file: Path | None, folder: Path | None) -> None:
        if file is None and folder is None and not DEFAULT_CONFIG.exists():
            raise UsageError(
                "no baseload.yaml here", hint="name the file with --config, or the data folder with --data"
            )
        if file is None and folder is None:
            file = DEFAULT_CONFIG
        self.outline = None if file is None else configuration.outline(file)
        self.folder = folder or (self.outline.data if self.outline else Path())

    def check_names(self, tenant: str, models: tuple[str, ...]) -> None:
        """Raises UnknownName for a tenant or model that the configuration does not hold."""
        if self.outline is None:
            return
        if tenant not in (tenants := {*self.outline.tenants, DEFAULT_TENANT}):
            raise UnknownName("tenant", tenant, tenants)
        for model in models:
            if model not in self.outline.models:
                raise UnknownName("model", model, self.outline.models)


@click.group(cls=Group)
def command() -> None:
    """Create, list and revoke the keys clients send as `Authorization: Bearer KEY`.

    \b
    Example:
      baseload keys create --tenant shop --name checkout --requests-per-minute 600
    """


@command.command()
@_place_options
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Who pays.")
@click.option("--name", default="", help="What it is for, shown by `keys list`.")
@click.option("--model", "models", multiple=True, help="A model it may ask for; repeat it.  [its tenant's]")
@_limit("--requests-per-minute")
@_limit("--tokens-per-minute", ", like 400k")
@_limit("--concurrent")
@click.option("--json", "as_json", is_flag=True, help="Print key and record as JSON.")
def create(
    file: Path | None,
    folder: Path | None,
    tenant: str,
    name: str,
    models: tuple[str, ...],
    as_json: bool,
    **limits: int | None,
) -> None:
    """Make a key and print it, once: only a keyed hash of it is kept.

    The key alone goes to standard output, so that a script can take it.

    \b
    Example:
      baseload keys create --tenant shop --model chat --tokens-per-minute 400k
    """
    place = _Place(file, folder)
    place.check_names(tenant, models)
    text, key = KeyStore(place.folder).create(
        tenant, name=name, limits=Limits(**limits), models=frozenset(models) or None
    )
    if as_json:
        click.echo(json.dumps({"key": text, **_facts(key)}, indent=2))
        return
    click.echo(text)
    click.echo(f"key {key.id} of tenant {key.tenant}: store it now, it is not shown again", err=True)


@command.command("list")
@_place_options
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
def list_(file: Path | None, folder: Path | None, as_json: bool) -> None:
    """Show every key by its public id, revoked ones too.

    \b
    Example:
      baseload keys list --json
    """
    keys = KeyStore(_Place(file, folder).folder).records()
    if as_json:
        click.echo(json.dumps([_facts(key) for key in keys], indent=2))
        return
    if not keys:
        click.echo("no keys yet: baseload keys create")
        return
    rows = [("id", "tenant", "name", "created", "state", "limits", "models"), *map(_row, keys)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@command.command()
@_place_options
@click.argument("public_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def revoke(file: Path | None, folder: Path | None, public_id: str, as_json: bool) -> None:
    """Refuse the key of this public ID from now on; running gateways follow within a second.

    Exit code 1 where no key has this id.

    \b
    Example:
      baseload keys revoke rwygoaudrrshw735
    """
    try:
        key = KeyStore(_Place(file, folder).folder).revoke(public_id)
    except UnknownName as error:
        click.echo(f"error: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    click.echo(json.dumps(_facts(key), indent=2) if as_json else f"key {key.id} is revoked")


def _facts(key: Key) -> dict[str, Any]:
    facts = msgspec.to_builtins(key, order="deterministic")
    assert isinstance(facts, dict)
    return facts


def _row(key: Key) -> tuple[str, ...]:
    limits = msgspec.structs.asdict(key.limits)
    words = ", ".join(f"{name} {value}" for name, value in limits.items() if value is not None)
    state = f"revoked {key.revoked}" if key.revoked else "valid"
    models = ", ".join(sorted(key.models)) if key.models else "all"
    return key.id, key.tenant, key.name or "-", key.created, state, words or "none", models
