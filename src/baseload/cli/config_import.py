"""`baseload config import`: another gateway's configuration as a baseload.yaml, and what has no place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from baseload.config.document import MOST_BYTES
from baseload.config.importing import GATEWAYS, Imported, import_text, written
from baseload.errors import ConfigError, EnvironmentProblem, UsageError


@click.command("import")
@click.argument("gateway", type=click.Choice(list(GATEWAYS)))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the made file here; must be new."
)
@click.option("--json", "as_json", is_flag=True, help="Print the lists and the made file as JSON.")
def command(gateway: str, file: Path, output: Path | None, as_json: bool) -> None:
    """Turn the configuration FILE of another gateway into a baseload.yaml (docs/importing.md).

    The made file goes to --output, else to standard output. What was carried to where, what could not be
    carried and why, and the environment variables to set are printed beside it; no secret is. Exit code 1
    where nothing in FILE can be served.

    \b
    Example:
      baseload config import litellm config.yaml --output baseload.yaml
    """
    found = import_text(gateway, _text_of(file), str(file))
    made = written(found) if found.config else ""
    if output is not None and made:
        _write(output, made)
    if as_json:
        click.echo(json.dumps(_facts(found, made, output), indent=2, default=_plain))
    else:
        if output is None and made:
            click.echo(made, nl=False)
        click.echo("\n".join(_lines(found, output)), err=output is None and bool(made))
    if not made:
        raise click.exceptions.Exit(1)


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {file}: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(str(file), 0, "", "longer than 1 MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(file), line, "", "not UTF-8 text") from None


def _write(output: Path, made: str) -> None:
    try:
        with output.open("x", encoding="utf-8") as stream:
            stream.write(made)
    except FileExistsError:
        raise UsageError(f"{output} exists already", hint="name a new file, or remove this one") from None
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {output}: {error.strerror}") from None


def _facts(found: Imported, made: str, output: Path | None) -> dict[str, Any]:
    return {
        "gateway": found.gateway,
        "file": found.file,
        "output": None if output is None else str(output),
        "config": found.config,
        "text": made,
        "carried": [
            {"key": one.key, "line": one.line, "value": one.value, "became": one.became}
            for one in found.carried
        ],
        "not_carried": [
            {"key": one.key, "line": one.line, "value": one.value, "why": one.why, "do": one.do}
            for one in found.not_carried
        ],
        "variables": [{"name": one.name, "what": one.what} for one in found.variables],
    }


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def _lines(found: Imported, output: Path | None) -> Iterator[str]:
    counts = f"{len(found.carried)} values carried over, {len(found.not_carried)} not"
    if not found.config:
        yield f"{found.file}: nothing in it can be served; {counts}"
    else:
        yield f"{found.file}: {output or 'the file above'} made; {counts}"
    if found.variables:
        yield "set in the environment"
        yield from (f"  {one.name}: {one.what}" for one in found.variables)
    if found.carried:
        yield "carried over"
        yield from (f"  line {one.line}: {one.key} = {one.value}: {one.became}" for one in found.carried)
    if found.not_carried:
        yield "not carried over"
    for one in found.not_carried:
        yield f"  line {one.line}: {one.key} = {one.value}: {one.why}"
        if one.do:
            yield f"    {one.do}"
    if found.config:
        yield f"next: baseload config check {output or 'FILE'}"
