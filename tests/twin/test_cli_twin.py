"""The command `baseload twin`, run as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from baseload.cli.twin import command
from baseload.errors import BaseloadError
from baseload.twin.faults import KINDS


@contextmanager
def twin(*arguments: str) -> Iterator[dict[str, Any]]:
    """A twin in a process of its own, on a free port; its start line, and its process id as `pid`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "baseload", "twin", *arguments, "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield {**json.loads(process.stdout.readline()), "pid": process.pid}
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(10) == 0


def chat(started: dict[str, Any], text: str) -> Any:
    """The answer to one message."""
    body = {"model": started["models"][0], "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        started["url"] + "/chat/completions", json.dumps(body).encode(), {"x-request-id": "r1"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_an_engine_starts_with_one_parseable_line_and_stops_in_order(tmp_path: Path) -> None:
    """The start line names the url and says simulated; SIGTERM ends it with 0; its file has the count."""
    served = tmp_path / "served.jsonl"
    model = ["--model", "llama-3.3-70b", "--gpu", "h100", "--gpus", "2", "--precision", "fp8"]
    with twin("engine", *model, "--speed", "50", "--served", str(served)) as started:
        assert started["simulated"] is True
        assert started["url"] == f"http://127.0.0.1:{started['port']}/v1"
        assert started["models"] == ["llama-3.3-70b"]
        assert chat(started, "[twin output=4]")["usage"]["completion_tokens"] == 4
        line = json.loads(served.read_text())
        assert (line["id"], line["output"], line["outcome"]) == ("r1", 4, "finished")


def test_a_provider_takes_faults_from_options_and_file(tmp_path: Path) -> None:
    """--fault and --faults add up, in that order."""
    plan = tmp_path / "faults.json"
    plan.write_text('["status=503"]')
    options = ["--model", "g", "--ttft", "1ms", "--tpot", "0.1ms", "--fault", "status=500,times=1"]
    with twin("provider", *options, "--faults", str(plan)) as started:
        codes = []
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError) as caught:
                chat(started, "hi")
            codes.append(caught.value.code)
            caught.value.close()
        assert codes == [500, 503]


def test_the_served_file_survives_kill_9(tmp_path: Path) -> None:
    """What was served before a kill is in the file."""
    served = tmp_path / "served.jsonl"
    options = [
        "--model",
        "g",
        "--ttft",
        "0s",
        "--tpot",
        "0s",
        "--port",
        "0",
        "--json",
        "--served",
        str(served),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "baseload", "twin", "provider", *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    started = json.loads(process.stdout.readline())
    for _ in range(3):
        chat(started, "hi")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    assert len(served.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["engine", "--model", "llama-3.3-70b", "--gpu", "h100", "--precision", "bf16"], "does not fit"),
        (["engine", "--model", "lama-3.3-70b", "--gpu", "h100"], "unknown model"),
        (["provider", "--model", "g", "--ttft", "fast"], "not a duration"),
        (["provider", "--model", "g", "--fault", "statos"], "did you mean 'status'"),
        (["provider"], "Missing option '--model'"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(arguments: list[str], said: str) -> None:
    """Usage errors, ours and click's, end with exit code 2 and name the argument."""
    done = CliRunner().invoke(command, arguments)
    if isinstance(done.exception, BaseloadError):
        assert done.exception.exit_code == 2
        assert said in str(done.exception)
    else:
        assert done.exit_code == 2
        assert said in done.output


def test_faults_are_listed() -> None:
    """`baseload twin faults` names every kind, and as JSON with its fields."""
    text = CliRunner().invoke(command, ["faults"]).output
    assert all(kind.value in text for kind in KINDS)
    data = json.loads(CliRunner().invoke(command, ["faults", "--json"]).output)
    assert data["kinds"]["cut"]["fields"] == ["after_tokens"]
