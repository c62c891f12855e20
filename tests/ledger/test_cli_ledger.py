"""`baseload ledger`: the command's answers, their exit codes, and what its page says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click
import pytest
from click.testing import CliRunner, Result

from baseload.cli.ledger import command
from baseload.errors import EnvironmentProblem, UnknownName, UsageError
from baseload.ledger.journal import Journal
from baseload.ledger.record import Begin, Chosen, End, Refusal
from baseload.ledger.schema import ATTEMPT_COLUMNS
from baseload.ledger.store import GROUPS

Begins: TypeAlias = Callable[..., Begin]
Ends: TypeAlias = Callable[..., End]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ledger.md"


def run(*arguments: str) -> Result:
    """The command's result; errors of ours are raised."""
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.fixture
def data(tmp_path: Path, begin: Begins, end: Ends, spill: Chosen, start_ns: int) -> str:
    """A data folder whose journal nobody has booked yet."""
    journal = Journal.open(tmp_path / "data" / "journal")
    journal.begin(begin("r1"))
    journal.end(end("r1"))
    journal.begin(begin("r2", chosen=spill, reserved_nano=None, at_ns=start_ns + 1))
    journal.refuse(Refusal("r3", start_ns, "shop", "k1", "chat", "rate_limit_exceeded", 429, "client"))
    journal.close()
    return str(tmp_path / "data")


def test_totals_book_the_journal_first(data: str) -> None:
    """Without a gateway running, what its journal holds is counted all the same."""
    answer = json.loads(run("totals", "--data", data, "--json").output)
    (total,) = answer["totals"]
    assert (total["requests"], total["attempts"], total["unknown"], total["cost_unknown"]) == (2, 2, 1, 1)
    assert answer["refusals"] == {"rate_limit_exceeded": 1}
    assert total["spill_share"] == 0.5


def test_totals_for_people_show_the_unknown(data: str) -> None:
    """An unknown cost is printed as unknown."""
    output = run("totals", "--data", data, "--by", "target").output
    (metered,) = [line for line in output.splitlines() if line.startswith("gpt-4o")]
    assert "1 unknown" in metered
    assert "1 attempts ended unknown, charged at their reservation" in output
    assert "refused: rate_limit_exceeded 1" in output


def test_show_lists_the_newest_and_one_request(data: str) -> None:
    """The newest attempts come first; one request is shown with every column."""
    assert [row["request_id"] for row in json.loads(run("show", "--data", data, "--json").output)] == [
        "r2",
        "r1",
    ]
    one = json.loads(run("show", "r1", "--data", data, "--json").output)
    assert list(one["attempts"][0]) == list(ATTEMPT_COLUMNS)
    assert "llama-a" in run("show", "r1", "--data", data).output
    assert "rate_limit_exceeded" in run("show", "r3", "--data", data).output
    assert "r2" in run("show", "--data", data, "--limit", "1").output


def test_a_request_that_is_not_there_is_exit_code_1(data: str) -> None:
    """The answer "no such request" is told by the exit code too."""
    result = run("show", "r9", "--data", data)
    assert result.exit_code == 1
    assert "no request r9" in result.output


def test_export_by_extension_and_to_standard_output(data: str, tmp_path: Path) -> None:
    """The extension chooses the format; `-` writes text to standard output."""
    said = json.loads(run("export", str(tmp_path / "out.jsonl"), "--data", data, "--json").output)
    assert said == {"file": str(tmp_path / "out.jsonl"), "format": "jsonl", "attempts": 2}
    assert (
        run("export", "-", "--format", "jsonl", "--data", data).output == (tmp_path / "out.jsonl").read_text()
    )
    assert "2 attempts" in run("export", str(tmp_path / "out.parquet"), "--data", data).output


def test_wrong_arguments_say_what_to_do(data: str, tmp_path: Path) -> None:
    """Each mistake is refused with its own message."""
    with pytest.raises(UsageError, match="extension"):
        run("export", "-", "--data", data)
    with pytest.raises(UsageError, match="Parquet is no text"):
        run("export", "-", "--format", "parquet", "--data", data)
    with pytest.raises(UsageError, match="cannot tell the format"):
        run("export", "out.xlsx", "--data", data)
    with pytest.raises(UnknownName, match="tenent"):
        run("totals", "--by", "tenent", "--data", data)
    with pytest.raises(EnvironmentProblem, match="no ledger"):
        run("totals", "--data", str(tmp_path / "nowhere"))
    assert run("totals", "--since", "yesterday", "--data", data).exit_code == 2


@pytest.mark.parametrize(
    ("since", "attempts"),
    [("2026-11-22", 2), ("2026-11-22T08:00:01", 0), ("2026-11-22T09:00+01:00", 2), ("100000d", 2)],
)
def test_since_takes_dates_times_and_ages(data: str, since: str, attempts: int) -> None:
    """A date, a time with or without an offset (else UTC), and an age are understood."""
    (total,) = json.loads(run("totals", "--since", since, "--data", data, "--json").output)["totals"]
    assert total["attempts"] == attempts


def test_damage_is_warned_of(data: str) -> None:
    """Whoever reads the ledger learns that a part of its journal could not be read."""
    (segment,) = (Path(data) / "journal").glob("*.segment")
    with segment.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff\xff")
    result = run("totals", "--data", data)
    assert f"warning: {segment.name} from byte 64: a frame's checksum is wrong" in result.output


def test_the_page_names_what_there_is() -> None:
    """docs/ledger.md names every command, option, grouping and column, and none that does not exist."""
    page = PAGE.read_text("utf-8")
    commands = command.commands
    assert set(re.findall(r"`baseload ledger (\w+)", page)) == set(commands)
    options = {
        option
        for subcommand in commands.values()
        for parameter in subcommand.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert set(re.findall(r"`(--[a-z-]+)", page)) - {"--once", "--keep-segments", "--parent"} == options
    columns = page.split("## Columns")[1]
    assert set(re.findall(r"^\| `(\w+)`", columns, re.MULTILINE)) == set(ATTEMPT_COLUMNS)
    (groups,) = re.findall(r"`--by` takes (.*)\.", page)
    assert set(re.findall(r"`(\w+)`", groups)) == set(GROUPS)
