"""README.md: its lines run as they stand, and it answers what a newcomer asks first."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PORTS = ("8001", "8002", "4000", "4001")
PATIENCE_S = 60.0
CLIENT_PAUSE_S = 0.5
"""A person types more slowly than a script; the ledger's books follow within half a second."""

Step = tuple[str, str]
"""A command and what it prints."""


def steps() -> list[Step]:
    """The console block marked `<!-- run -->`."""
    block = README.split("<!-- run -->\n```console\n")[1].split("```")[0]
    return [
        (command, printed) for command, _, printed in (part.partition("\n") for part in block.split("$ ")[1:])
    ]


def free_ports(count: int) -> list[str]:
    """Ports that are free now, each of them once."""
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [str(holder.getsockname()[1]) for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def shape(text: str) -> str:
    """What a run prints, without what differs between runs: numbers, ids, folders, the width of columns."""
    text = re.sub(r"\S+/examples/", "…/examples/", text)
    text = re.sub(r"[\w.,$%:-]*\d[\w.,$%]*", "#", text)
    return " ".join(text.split())


class Session:
    """A shell that is given one line after the other; lines with `&` write to files of their own."""

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self.folder, self.ports = folder, ports
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env={**os.environ, "PATH": path, "COLUMNS": "80"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, number: int, command: str, printed: str) -> str:
        """What the command prints, as far as the README goes."""
        for old, new in self.ports.items():
            command = command.replace(old, new)
        if command.endswith("&"):
            log = self.folder / f"{number}.log"
            self._send(f"{command[:-1]} > {log.name} 2>&1 &")
            until_s = time.monotonic() + PATIENCE_S
            while not log.exists() or len(log.read_text().splitlines()) < len(printed.splitlines()):
                assert time.monotonic() < until_s, log.read_text()
                time.sleep(0.05)
            return log.read_text()
        self._send(f"{command}\necho; echo @@{number}")
        assert self.shell.stdout is not None
        lines = list(iter(self.shell.stdout.readline, f"@@{number}\n"))
        assert self.shell.poll() is None, lines
        time.sleep(CLIENT_PAUSE_S)
        return "".join(lines)

    def _send(self, line: str) -> None:
        assert self.shell.stdin is not None
        self.shell.stdin.write(line + "\n")
        self.shell.stdin.flush()

    def end(self) -> int:
        """End what still runs in the background, wait for it, and leave."""
        self._send("kill $(jobs -p) 2> /dev/null; wait; exit 0")
        code = self.shell.wait(PATIENCE_S)
        for stream in (self.shell.stdin, self.shell.stdout):
            assert stream is not None
            stream.close()
        return code


def test_the_lines_run_and_print_what_the_readme_shows(tmp_path: Path) -> None:
    """From twins to a plan in an empty folder with the examples: same lines, other numbers."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    local = tmp_path / "examples" / "local.yaml"
    text = local.read_text()
    for old, new in ports.items():
        text = text.replace(f":{old}", f":{new}")
    local.write_text(text)
    session = Session(tmp_path, ports)
    try:
        found = [(command, session.run(n, command, printed)) for n, (command, printed) in enumerate(steps())]
    finally:
        assert session.end() == 0
    assert [shape(printed) for _, printed in found] == [shape(printed) for _, printed in steps()]
    printed = dict(found)
    [plan] = [command for command in printed if command.startswith("baseload plan")]
    assert printed[plan].split() == dict(steps())[plan].split(), "equal inputs, equal plans: to the digit"
    owned, spilled = re.findall(
        r"(?:owned|spill) +(\d+)", next(text for command, text in found if "totals" in command)
    )
    assert int(owned) + int(spilled) == 151
    assert (tmp_path / "plan.html").stat().st_size > 10_000


def test_it_is_ten_lines() -> None:
    """A promise in the heading."""
    assert len(steps()) == 10


@pytest.mark.parametrize(
    ("question", "function", "module"),
    [
        ("price decided", "choose", "policy/dispatch.py"),
        ("retry refused", "_move_on", "gateway/failure.py"),
        ("client disconnects", "client_gone", "gateway/failure.py"),
        ("replica count chosen", "hybrid", "plan/hybrid.py"),
    ],
)
def test_a_newcomer_finds_where_it_is_decided(question: str, function: str, module: str) -> None:
    """The four questions are answered with a function that is where the README says it is."""
    [row] = [line for line in README.splitlines() if line.startswith("|") and question in line]
    assert f"src/baseload/{module}" in row
    assert re.search(rf"`(?:\w+\.)?{function}`", row)
    assert f"def {function}(" in (ROOT / "src" / "baseload" / module).read_text(encoding="utf-8")


def test_the_verbs_it_names_exist() -> None:
    """Every `make …` is a target of the Makefile."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets
