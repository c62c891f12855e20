"""Tables: the format users override in, and the errors that say what is wrong with theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.catalog.tables import merge, normal, override_rows, read_table
from baseload.errors import DataError, EnvironmentProblem

ROWS = [{"name": "a", "aliases": "aa|aaa", "size": "1", "source": "sheet"}]


def test_comments_and_blank_lines_are_skipped() -> None:
    """A header of `#` lines says whose figures these are; a quoted comma is one cell."""
    text = '# a table\n\nname,size\nx,"1,5"\n# more\ny,2\n'
    expected = [{"name": "x", "size": "1,5"}, {"name": "y", "size": "2"}]
    assert expected == read_table(text, "t.csv")


def test_a_short_row_is_named_by_its_line() -> None:
    """The line counts from 1 in the file as the user sees it, comments included."""
    with pytest.raises(DataError, match=r"t\.csv:3: 1 cells, the header has 2"):
        read_table("# a table\nname,size\nx\n", "t.csv")


def test_an_empty_table_is_refused() -> None:
    """A file of comments holds no table."""
    with pytest.raises(DataError, match="no header"):
        read_table("# nothing\n", "t.csv")


def test_a_file_and_a_mapping_override_alike(tmp_path: Path) -> None:
    """The same cells in either form give the same rows; a name or an alias finds the row."""
    file = tmp_path / "mine.csv"
    file.write_text("name,size\naaa,2\n")
    expected = [ROWS[0] | {"size": "2", "source": "user override (size); sheet"}]
    assert expected == merge(ROWS, file, "name")
    assert expected == merge(ROWS, {"AAA": {"size": 2}}, "name")


def test_an_empty_cell_changes_nothing(tmp_path: Path) -> None:
    """A column that a user's file holds for other rows leaves this one as it was."""
    file = tmp_path / "mine.csv"
    file.write_text("name,size,source\na,,\n")
    assert merge(ROWS, file, "name")[0]["size"] == "1"


def test_a_misspelt_column_is_refused() -> None:
    """A cell that would have no effect is an error that lists the columns."""
    with pytest.raises(DataError, match="'sise'") as caught:
        override_rows({"a": {"sise": 2}}, "name", ROWS[0])
    assert "size" in caught.value.hint


def test_a_row_without_its_key_is_refused(tmp_path: Path) -> None:
    """Nobody knows which row it changes."""
    file = tmp_path / "mine.csv"
    file.write_text("size,source\n2,me\n")
    with pytest.raises(DataError, match="without 'name'"):
        merge(ROWS, file, "name")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(EnvironmentProblem, match=r"none\.csv"):
        merge(ROWS, tmp_path / "none.csv", "name")


@given(st.text())
def test_spelling_is_compared_without_case_and_marks(name: str) -> None:
    """Normalising twice changes nothing, and no mark survives."""
    assert normal(normal(name)) == normal(name)
    assert normal(name) == "" or normal(name).isalnum()
