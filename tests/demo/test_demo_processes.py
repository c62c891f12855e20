"""Children start with a log, are told to stop, and never outlive the block."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from baseload.demo.processes import Child, Children
from baseload.errors import EnvironmentProblem

TWIN = ("twin", "provider", "--model", "m", "--port", "0", "--json")


def is_running(child: Child) -> bool:
    """Whether its process exists."""
    try:
        os.kill(child._process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_are_stopped_whatever_happens(tmp_path: Path) -> None:
    """An exception in the block ends every child and comes through."""
    started: list[Child] = []

    def start_two_and_fail() -> None:
        with Children(tmp_path) as children:
            started.extend([children.start("one", *TWIN), children.start("two", *TWIN)])
            assert [child.event(20)["simulated"] for child in started] == [True, True]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start_two_and_fail()
    assert not any(is_running(child) for child in started)


def test_a_child_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """The problem is told, not only that there was one."""
    with Children(tmp_path) as children:
        child = children.start("twin", "twin", "provider", "--nonsense")
        with pytest.raises(EnvironmentProblem) as caught:
            child.event(20)
    assert "twin ended with exit code 2" in caught.value.message
    assert "No such option" in caught.value.hint
    assert str(tmp_path / "twin.log") in caught.value.hint


def test_a_child_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """The wait has an end."""
    with Children(tmp_path) as children:
        child = children.start("twin", *TWIN)
        child.event(20)
        with pytest.raises(EnvironmentProblem, match=r"did not start within 0\.1 s"):
            child.event(0.1)


def test_a_child_that_died_is_noticed(tmp_path: Path) -> None:
    """`check` passes while it runs and raises afterwards."""
    with Children(tmp_path) as children:
        child = children.start("twin", *TWIN)
        child.event(20)
        child.check()
        child._process.kill()
        child._process.wait()
        with pytest.raises(EnvironmentProblem, match="ended"):
            child.check()
