"""Whose things are that providers keep: bounded, fair, and known after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.errors import EnvironmentProblem
from baseload.gateway import stored_ids
from baseload.gateway.stored_ids import MAX_STORED, Held, Stored


def test_who_has_most_loses_its_oldest() -> None:
    """The memory of ids is bounded, and no tenant crowds out another."""
    stored = Stored()
    stored.add("resp_of_mill", Held("mill", "tides"))
    for number in range(MAX_STORED):
        stored.add(f"resp_{number}", Held("shop", "tides"))
    assert stored.find("resp_of_mill") == Held("mill", "tides")
    assert stored.find("resp_0") is None
    assert stored.find(f"resp_{MAX_STORED - 1}") == Held("shop", "tides")


def test_an_id_that_is_told_again_is_as_young_as_a_new_one() -> None:
    """A stream tells its id at its start and at its end; that takes no room."""
    stored = Stored()
    for number in (0, *range(MAX_STORED), 0):
        stored.add(f"resp_{number}", Held("shop", "tides"))
    stored.add("resp_more", Held("shop", "tides"))
    assert stored.find("resp_0") == Held("shop", "tides")
    assert stored.find("resp_1") is None


def test_the_next_process_knows_them(tmp_path: Path) -> None:
    """Nothing is closed by a kill: every line is at the system before its client learns the id."""
    stored = Stored()
    stored.keep_in(tmp_path)
    stored.add("resp_1", Held("shop", "tides"))
    stored.add("resp_1", Held("mill", "tides"))
    after = Stored()
    after.keep_in(tmp_path)
    assert after.find("resp_1") == Held("mill", "tides")
    stored.close()
    after.close()


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    """What a full disk or a kill left half is passed over, and what is written next stands alone."""
    (tmp_path / "stored-ids.jsonl").write_bytes(b'["resp_1","shop","tides"]\n["resp_2","sh')
    stored = Stored()
    stored.keep_in(tmp_path)
    stored.add("resp_3", Held("shop", "tides"))
    stored.close()
    after = Stored()
    after.keep_in(tmp_path)
    after.close()
    assert after.find("resp_1") == after.find("resp_3") == Held("shop", "tides")
    assert after.find("resp_2") is None


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """A gateway that does not know whose things are must not begin as if nobody's were anybody's."""
    (tmp_path / "stored-ids.jsonl").mkdir()
    with pytest.raises(EnvironmentProblem, match=r"stored-ids\.jsonl"):
        Stored().keep_in(tmp_path)


def test_the_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full file becomes the one before; what stood there goes."""
    monkeypatch.setattr(stored_ids, "MAX_STORED", 4)
    monkeypatch.setattr(stored_ids, "LET_GO", 1)
    stored = Stored()
    stored.keep_in(tmp_path)
    for number in range(11):
        stored.add(f"resp_{number}", Held("shop", "tides"))
    stored.close()
    kept = [path.read_bytes().count(b"\n") for path in sorted(tmp_path.iterdir())]
    after = Stored()
    after.keep_in(tmp_path)
    after.close()
    assert kept == [4, 3]
    assert [number for number in range(11) if after.find(f"resp_{number}")] == [7, 8, 9, 10]
