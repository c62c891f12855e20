"""`baseload config`: what a file means, before anything runs on it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from baseload import config as configuration
from baseload.cli import Group
from baseload.config.document import MOST_BYTES
from baseload.config.importing import GATEWAYS, Imported, import_text, written
from baseload.config.published import key_table
from baseload.core import Slo, Snapshot, Target, TokenPrice, UnitPrice
from baseload.errors import ConfigError, EnvironmentProblem, UsageError
from baseload.gateway.snapshot import Loaded, load_snapshot
from baseload.money import show, usd
from baseload.policy.residency import describe, why_not


@click.group(cls=Group)
def command() -> None:
    """Check baseload.yaml, print its schema, or make one of another gateway's configuration.

    \b
    Example:
      baseload config check baseload.yaml
    """


@command.command()
@click.argument("file", type=click.Path(path_type=Path), default="baseload.yaml")
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def check(file: Path, as_json: bool) -> None:
    """Say what FILE means: targets, prices with source and date, who may go where; and its warnings.

    Exit code 0 for a valid file (warnings or not), 2 for one with problems: all of them are shown.

    \b
    Example:
      baseload config check examples/baseload.yaml
    """
    today = datetime.now(UTC).date()
    try:
        with tempfile.TemporaryDirectory() as cache:
            loaded = load_snapshot(file, today, cache_dir=Path(cache))
    except configuration.InvalidConfig as error:
        if not as_json:
            raise
        click.echo(json.dumps(_problems(error), indent=2))
        raise click.exceptions.Exit(error.exit_code) from None
    if as_json:
        click.echo(json.dumps(_understood(loaded, today), indent=2))
    else:
        click.echo("\n".join(_lines(loaded)))


@command.command()
@click.option("--table", is_flag=True, help="Print the keys as the table of docs/config.md instead.")
def schema(table: bool) -> None:
    """Print the JSON schema of baseload.yaml, for editors and for checks without baseload.

    \b
    Example:
      baseload config schema > baseload.schema.json
    """
    click.echo(key_table() if table else json.dumps(configuration.json_schema(), indent=2))


def _problems(error: configuration.InvalidConfig) -> dict[str, Any]:
    return {
        "valid": False,
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "key": problem.key,
                "message": problem.reason,
                "hint": problem.hint,
            }
            for problem in error.problems
        ],
    }


def _understood(loaded: Loaded, today: date) -> dict[str, Any]:
    read, snapshot, warnings = loaded
    return {
        "valid": True,
        "file": read.file,
        "version": snapshot.version,
        "day": today.isoformat(),
        "listen": str(read.listen),
        "control": str(read.control),
        "data": str(read.data),
        "tls": read.tls is not None,
        "open": read.open,
        "targets": {name: _target_facts(target) for name, target in snapshot.targets.items()},
        "models": {
            name: {
                "targets": [target.name for target in model.targets],
                "slo": {"ttft_s": model.slo.ttft_s, "tpot_s": model.slo.tpot_s},
            }
            for name, model in snapshot.models.items()
        },
        "passthrough": {
            group: [target.name for target in model.targets] for group, model in snapshot.passthrough.items()
        },
        "classes": _residency(snapshot),
        "tenants": {name: tenant.data_class.name for name, tenant in snapshot.tenants.items()},
        "warnings": list(warnings),
    }


def _target_facts(target: Target) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "side": target.side.value,
        "url": target.url,
        "model": target.model,
        "region": target.region,
        "zero_retention": target.zero_retention,
    }
    if target.usd_nano_per_hour is not None:
        facts["usd_per_hour"] = str(usd(target.usd_nano_per_hour))
        facts["step_time"] = None if target.step is None else target.step.source
    else:
        facts["usd_per_million"] = _price_facts(target.price)
        facts["unit_usd"] = {name: str(usd(amount)) for name, amount in _unit_prices(target)}
    return facts


def _unit_prices(target: Target) -> list[tuple[str, int]]:
    """What of `unit_price` is written."""
    prices = ((name, getattr(target.unit_price, name)) for name in UnitPrice.__struct_fields__)
    return [(name, amount) for name, amount in prices if amount is not None]


def _price_facts(price: TokenPrice | None) -> dict[str, str | None] | None:
    if price is None:
        return None
    amounts = {
        "input": price.input,
        "output": price.output,
        "cached_input": price.cached_input,
        "cache_write": price.cache_write,
        "cache_write_1h": price.cache_write_1h,
        "input_audio": price.input_audio,
        "output_audio": price.output_audio,
        "cached_audio": price.cached_audio,
        "output_image": price.output_image,
    }
    shown = {name: None if amount is None else str(usd(amount)) for name, amount in amounts.items()}
    return {**shown, "source": price.source, "as_of": price.as_of}


def _residency(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Per class the targets that may process its data, and for the others the rule that forbids it."""
    table = {}
    for name, data_class in snapshot.classes.items():
        reasons = {target.name: why_not(data_class, target) for target in snapshot.targets.values()}
        table[name] = {
            "rule": describe(data_class),
            "admissible": [target for target, reason in reasons.items() if reason is None],
            "refused": {target: reason for target, reason in reasons.items() if reason is not None},
        }
    return table


def _lines(loaded: Loaded) -> list[str]:
    read, snapshot, warnings = loaded
    scheme = "https" if read.tls else "http"
    lines = [
        f"{read.file} is valid (version {snapshot.version})",
        f"  data port {scheme}://{read.listen}, control port http://{read.control}, data in {read.data}",
        "targets",
        *(f"  {name}: {_target_line(target)}" for name, target in snapshot.targets.items()),
        "models",
    ]
    for name, model in snapshot.models.items():
        names = ", ".join(target.name for target in model.targets)
        lines.append(f"  {name}: {names}; {_slo_words(model.slo)}")
    if snapshot.passthrough:
        lines.append("passthrough")
    for group, model in snapshot.passthrough.items():
        lines.append(f"  {group}: {', '.join(target.name for target in model.targets)}")
    lines.append("classes")
    for row in _residency(snapshot).values():
        lines.append(f"  {row['rule']}: {', '.join(row['admissible']) or 'no target'}")
        lines.extend(f"    not {target}: {reason}" for target, reason in row["refused"].items())
    lines.append("tenants")
    lines.extend(f"  {name}: class {tenant.data_class.name}" for name, tenant in snapshot.tenants.items())
    lines.extend(f"warning: {warning}" for warning in warnings)
    return lines


def _target_line(target: Target) -> str:
    where = f"{target.url}, region {target.region or 'unknown'}"
    if target.usd_nano_per_hour is not None:
        speed = target.step.source if target.step else "unknown"
        return f"owned, {target.engine}, {show(target.usd_nano_per_hour)} an hour, {where}; speed {speed}"
    price = target.price
    units = "".join(f"; {show(amount)} {_UNITS[name]}" for name, amount in _unit_prices(target))
    if price is None:
        return f"metered, {target.provider}, {where}{units or '; price unknown'}"
    day = f", {price.as_of}" if price.as_of else ""
    return (
        f"metered, {target.provider}, {where}; per million tokens {show(price.input)} in, "
        f"{show(price.output)} out ({price.source}{day}){units}"
    )


_UNITS = {
    "request": "a request",
    "image": "an image",
    "second": "a second of audio",
    "character": "a character",
    "search": "a search",
    "input_image": "per million image tokens",
}
"""`unit_price` in words."""


def _slo_words(slo: Slo) -> str:
    return f"first token within {slo.ttft_s:g} s, then {slo.tpot_s * 1000:g} ms a token"


@command.command("import")
@click.argument("gateway", type=click.Choice(list(GATEWAYS)))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the made file here; must be new."
)
@click.option("--json", "as_json", is_flag=True, help="Print the lists and the made file as JSON.")
def import_(gateway: str, file: Path, output: Path | None, as_json: bool) -> None:
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
        click.echo("\n".join(_import_lines(found, output)), err=output is None and bool(made))
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


def _import_lines(found: Imported, output: Path | None) -> Iterator[str]:
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
