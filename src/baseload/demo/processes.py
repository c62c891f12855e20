"""Child processes of the demo: started with their log in a file, watched, and always stopped again."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from baseload.errors import EnvironmentProblem

STOP_S = 15.0
"""A child that has not ended this long after SIGTERM is killed."""


class Child:
    """One `baseload` command that runs beside us. Its standard error goes to `log`."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as errors:
            # Its own session: Ctrl-C in the terminal reaches the demo alone, which stops children in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "baseload", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        os.set_blocking(self._out.fileno(), False)
        self._unread = b""

    def event(self, within_s: float) -> dict[str, Any]:
        """The next JSON line it prints; EnvironmentProblem, with the end of its log, where none comes."""
        deadline_s = time.monotonic() + within_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(deadline_s - time.monotonic()):
                    raise self._problem(f"did not start within {within_s:g} s")
                data = os.read(self._out.fileno(), 1 << 16)
                if not data:
                    raise self._problem(f"ended with exit code {self._process.wait()}")
                self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        return event

    def check(self) -> None:
        """EnvironmentProblem where it has ended by itself."""
        if self._process.poll() is not None:
            raise self._problem(f"ended with exit code {self._process.returncode}")

    def stop(self) -> int:
        """End it, kindly at first; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._out.close()
        return self._process.returncode

    def _problem(self, what: str) -> EnvironmentProblem:
        last = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        hint = "\n  ".join([*last, f"all of it: {self.log}"])
        return EnvironmentProblem(f"{self.name} {what}", hint=hint)


class Children:
    """All children of a run; leaving the `with` block stops them, the last one first, whatever happened."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._children:
            self._children.pop().stop()

    def start(self, name: str, *arguments: str) -> Child:
        """Start `baseload ARGUMENTS`; its log is named after it."""
        child = Child(name, arguments, self._logs / f"{name}.log")
        self._children.append(child)
        return child
