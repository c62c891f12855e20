"""BurstGPT traces: both layouts of columns, failed requests left out and counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.errors import DataError
from baseload.traffic.read import read_traffic

SHORT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,GPT-4,1087,230,1317,API log
118,GPT-4,417,0,417,API log
200,ChatGPT,1360,276,1636,Conversation log
"""
LONG = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
5.0,1722ac82,43,ChatGPT,472,18,490,Conversation log
45.0,d5983bf9,2,GPT-4,1087,230,1317,API log
118.0,a5c69b35,1,GPT-4,417,0,417,API log
200.0,,3,ChatGPT,1360,276,1636,Conversation log
"""


@pytest.mark.parametrize("text", [SHORT, LONG])
def test_both_layouts_give_the_same_traffic(text: str, tmp_path: Path) -> None:
    """With and without sessions: seconds from the first request, models, log types, and no failed request."""
    path = tmp_path / "BurstGPT_1.csv"
    path.write_text(text)
    traffic = read_traffic(path)
    assert traffic.arrival_s.tolist() == [0.0, 40.0, 195.0]
    assert traffic.input_tokens.tolist() == [472, 1087, 1360]
    assert traffic.output_tokens.tolist() == [18, 230, 276]
    assert [traffic.models[code] for code in traffic.model] == ["ChatGPT", "GPT-4", "ChatGPT"]
    assert traffic.tenants == ("Conversation log", "API log")
    assert traffic.notes == ("1 failed requests (no response tokens) are left out",)
    assert traffic.bad_rows == 0


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """Told to read another file as BurstGPT: the column that is not there, and those that are."""
    path = tmp_path / "other.csv"
    path.write_text("Timestamp,Model,Request tokens,Response\n1,a,1,1\n")
    with pytest.raises(DataError, match="no column 'Response tokens'; it has Timestamp, Model"):
        read_traffic(path, "burstgpt")


def test_only_failures_are_no_traffic(tmp_path: Path) -> None:
    """A trace in which every request failed holds no requests."""
    path = tmp_path / "failed.csv"
    path.write_text("".join(SHORT.splitlines(keepends=True)[i] for i in (0, 3)))
    with pytest.raises(DataError, match="holds no requests"):
        read_traffic(path)
