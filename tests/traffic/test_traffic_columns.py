"""Columns: what the user named, what is found by usual names, and errors that say what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.errors import DataError, UsageError
from baseload.traffic.columns import FIELDS, USUAL_NAMES, ColumnNames, choose, parse_columns
from baseload.traffic.timestamps import Unit

PATH = Path("log.csv")


def test_named_columns_are_parsed() -> None:
    """FIELD=COLUMN pairs, spaces and a unit behind the arrival's column."""
    parsed = parse_columns("arrival=ts:ms, input=prompt tokens,output=out")
    assert parsed == ColumnNames({"arrival": "ts", "input": "prompt tokens", "output": "out"}, Unit.MS)


def test_a_colon_that_is_no_unit_belongs_to_the_name() -> None:
    """Columns may hold colons."""
    assert parse_columns({"arrival": "log:time"}) == ColumnNames({"arrival": "log:time"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("arrival", "no FIELD=COLUMN"),
        ("input=", "no FIELD=COLUMN"),
        ("inputs=a", "did you mean 'input'"),
        ("colour=a", "the fields are arrival, input"),
        ("input=a,input=b", "twice"),
    ],
)
def test_wrong_column_options_say_what_is_right(text: str, reason: str) -> None:
    """Every mistake in --columns is a usage error that helps."""
    with pytest.raises(UsageError) as caught:
        parse_columns(text)
    assert reason in str(caught.value)


def test_usual_names_are_found_without_regard_to_case_and_unit() -> None:
    """A file with well-known names needs no --columns; the arrival's unit comes from its name."""
    chosen = choose(ColumnNames({}), ["Timestamp_MS", "Prompt Tokens", "completion_tokens", "Model"], PATH)
    assert chosen == ColumnNames(
        {
            "arrival": "Timestamp_MS",
            "input": "Prompt Tokens",
            "output": "completion_tokens",
            "model": "Model",
        },
        Unit.MS,
    )


def test_what_the_user_named_wins() -> None:
    """A named column and unit are taken before any usual one."""
    found = ["ts_ms", "input", "output", "other"]
    chosen = choose(parse_columns("arrival=ts_ms:ns,input=other"), found, PATH)
    assert (chosen.names["input"], chosen.unit) == ("other", Unit.NS)


def test_a_missing_column_names_those_there_are_and_the_nearest() -> None:
    """The error holds file, column, the columns found, and the nearest."""
    with pytest.raises(DataError) as caught:
        choose(parse_columns("input=promt_tokens"), ["ts", "prompt_tokens", "out"], PATH)
    assert str(caught.value).startswith(
        "log.csv: no column 'promt_tokens' for input; it has ts, prompt_tokens, out\n"
        "  did you mean 'prompt_tokens'?"
    )


def test_a_field_without_column_is_refused() -> None:
    """What is required and not found is named; optional fields are not."""
    with pytest.raises(DataError, match="no column for output"):
        choose(ColumnNames({}), ["ts", "input"], PATH)
    assert set(choose(ColumnNames({}), ["ts", "input", "output"], PATH).names) == {
        "arrival",
        "input",
        "output",
    }


def test_usual_names_belong_to_one_field_each() -> None:
    """No name could mean two fields."""
    names = [name for field in FIELDS for name in USUAL_NAMES[field]]
    assert len(names) == len(set(names))
