"""Writes what is generated of the reference pages: docs/cli.md, the diagram in docs/gateway.md, and the
tables in docs/translation.md.

Run after a change of a command, of `gateway.attempt.TRANSITIONS` or of `wire.dialects.matrix`:
`python scripts/make_reference_docs.py`. A test compares the pages with what this script makes of the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from baseload.cli import cli
from baseload.gateway.attempt import TRANSITIONS, State
from baseload.wire.dialects.field import Field
from baseload.wire.dialects.leaving import HARMLESS, NEARLY
from baseload.wire.dialects.matrix import FIELDS
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.dialects.thinking import CLAUDES, ROWS, Thinks

DOCS = Path(__file__).resolve().parent.parent / "docs"

CLI_HEAD = """\
# Commands

Generated from the commands themselves by `python scripts/make_reference_docs.py`. Every command has `--help`.

Exit codes: 0 done, 1 the answer is no, 2 usage, 3 something outside is missing (a file, a port, a package).
"""


def commands(command: click.Command, path: str = "baseload") -> Iterator[tuple[str, click.Command]]:
    """Every command below this one with its full name, groups before what they hold."""
    if path != "baseload":
        yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, f"{path} {name}")


def words(command: click.Command) -> str:
    """The help of a command without its examples, a paragraph a line."""
    text = (command.help or "").partition("\b")[0].strip()
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def examples(command: click.Command) -> list[str]:
    """The example lines of a command's help."""
    block = (command.help or "").partition("\b")[2]
    lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
    lines += re.split(r" {2,}", re.sub(r"^Examples?:", "", command.epilog or "").strip())
    return [" ".join(line.split()) for line in lines if line.startswith(("baseload ", "curl "))]


def option_row(option: click.Option) -> str:
    """One option as a row: its names with what they take, its default, its help."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if not option.is_flag:
        if isinstance(option.type, click.Choice):
            takes = ", ".join(f"`{choice}`" for choice in option.type.choices)
        else:
            takes = f"`{option.metavar or option.type.name.removesuffix(' range').upper()}`"
        names += f" {takes}"
    about, said = re.fullmatch(r"(.*?)(?:  \[(?:default: )?(.*)\])?", option.help or "").groups()  # type: ignore[union-attr]
    if option.required:
        said = "required"
    elif said is None:
        said = f"`{option.default}`" if option.show_default and option.default is not None else ""
    repeat = " (repeatable)" if option.multiple and "repeat" not in about else ""
    return f"| {names} | {said} | {about}{repeat} |".replace("  ", " ")


def command_section(path: str, command: click.Command) -> str:
    """A command's part of the page."""
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    usage = " ".join((path, *(_argument(argument) for argument in arguments)))
    parts = [f"## `{usage}`" if path.count(" ") == 1 else f"### `{usage}`", words(command)]
    if found := examples(command):
        parts.append("\n".join(("```console", *(f"$ {line}" for line in found), "```")))
    options = [p for p in command.params if isinstance(p, click.Option)]
    if options:
        rows = "\n".join(map(option_row, options))
        parts.append(f"| option | default | meaning |\n|---|---|---|\n{rows}")
    return "\n\n".join(parts)


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def cli_page() -> str:
    """docs/cli.md, whole."""
    return "\n\n".join((CLI_HEAD.strip(), *(command_section(*found) for found in commands(cli)))) + "\n"


def attempt_diagram() -> str:
    """The states of an attempt as a Mermaid diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(State)).value}"]
    for state in State:
        after = TRANSITIONS[state]
        lines += [f"    {state.value} --> {new.value}" for new in State if new in after]
        if not after:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines)


def with_diagram(page: str) -> str:
    """docs/gateway.md with its diagram as the code has it now."""
    return re.sub(
        r"```mermaid\nstateDiagram.*?\n```", f"```mermaid\n{attempt_diagram()}\n```", page, flags=re.S
    )


def field_row(field: Field) -> str:
    """One field as a row: what becomes of it in each dialect that is spoken."""
    return f"| {field.name} | " + " | ".join(_cell(field, dialect) for dialect in SPEAKERS) + " |"


def _cell(field: Field, dialect: Dialect) -> str:
    name = field.says(dialect).removeprefix("~").partition(":")[0]
    shown = f"`{name}`" if name else ""
    if how := field.approximated(dialect):
        return f"≈ {shown}: {how}" if shown else f"≈ {how}"
    return shown or "refused"


def _thinking_rows() -> Iterator[str]:
    """What each kind of models takes, as rows of docs/translation.md."""
    for (major, minor), row in CLAUDES:
        named = f"Claude from {major}.{minor} on" if major else "others"
        yield _thinking_row("messages, and Claude in converse", named, row)
    for dialects in ((Dialect.GEMINI,), (Dialect.CHAT, Dialect.RESPONSES), (Dialect.CONVERSE,)):
        for pattern, row in ROWS[dialects[0]]:
            named = f"`{pattern}`".replace("|", "\\|") if pattern else "others"
            yield _thinking_row(" and ".join(one.value for one in dialects), named, row)


def _thinking_row(dialects: str, named: str, row: Thinks) -> str:
    budget = "" if row.budget is None else f"from {row.budget[0]}"
    if row.budget is not None and row.budget[1] < 1 << 20:
        budget = f"{row.budget[0]} to {row.budget[1]}"
    without = "yes" if row.stops else "the least" if row.floor and (row.words or row.budget) else "not told"
    sampled = "no" if not row.sampled else "yes" if row.both else "temperature or top_p"
    return f"| {dialects} | {named} | {', '.join(row.words)} | {budget} | {without} | {sampled} |"


def with_matrix(page: str) -> str:
    """docs/translation.md with its tables as `wire.dialects.matrix` has them now."""
    heads = " | ".join(dialect.value for dialect in SPEAKERS)
    rows = "\n".join(field_row(field) for field in FIELDS.values())
    table = f"| field | {heads} |\n|---|{'---|' * len(SPEAKERS)}\n{rows}"
    harmless = "\n".join(
        f"| {dialect.value} | `{name}` | {why} |"
        for dialect, names in HARMLESS.items()
        if dialect in SPEAKERS
        for name, why in names.items()
    )
    nearly = "\n".join(
        f"| {dialect.value} | `{name}` | {how} |"
        for dialect, names in NEARLY.items()
        for name, how in names.items()
    )
    page = re.sub(r"\| field \| .*?(?=\n\n)", lambda _: table, page, count=1, flags=re.S)
    others = f"| in | what | becomes |\n|---|---|---|\n{nearly}"
    page = re.sub(r"\| in \| what \| .*?(?=\n\n)", lambda _: others, page, count=1, flags=re.S)
    models = "\n".join(_thinking_rows())
    told = f"| format | models | efforts | budget | without | sampled |\n|---|---|---|---|---|---|\n{models}"
    page = re.sub(r"\| format \| models \| .*?(?=\n\n)", lambda _: told, page, count=1, flags=re.S)
    lines = f"| of | member | since it is |\n|---|---|---|\n{harmless}"
    return re.sub(r"\| of \| member .*?(?=\n\n|\n$)", lambda _: lines, page, count=1, flags=re.S)


if __name__ == "__main__":
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    gateway = DOCS / "gateway.md"
    gateway.write_text(with_diagram(gateway.read_text(encoding="utf-8")), encoding="utf-8")
    translation = DOCS / "translation.md"
    translation.write_text(with_matrix(translation.read_text(encoding="utf-8")), encoding="utf-8")
