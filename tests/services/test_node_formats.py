"""The official SDKs for Node, OpenAI's and Anthropic's, before targets of every format."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baseload.core import Format
from tests.gateway.provided import Provided, provided
from tests.gateway.test_sdk_openai import PIXEL
from tests.gateway.voices import FORMATS, INPUT, OUTPUT, Called, asked, break_off, refuse, say
from tests.services.conftest import program

pytestmark = pytest.mark.services

TIDE = Called("call_tide", "tide", {"place": "Roscoff, Finistère"})
WIND = Called("call_wind", "wind", {"place": "Brest"})
CALLS = [["tide", TIDE.arguments], ["wind", WIND.arguments]]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provided]:
    """One gateway for all tests."""
    with provided(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_sdk_before_a_format(there: Provided, node_sdks: Path, sdk: str, format_: Format) -> None:
    """Text, tools (one, and parallel in a stream), their results, a picture, a schema; a refusal and a stream
    that breaks off raise the SDK's errors; a retry waits as long as it is told."""
    full = refuse(format_, 429, "no room", ("retry-after-ms", "500"))
    there.then(
        say(format_, "At six o'clock.", stream=False),
        say(format_, "At six o'clock.", stream=True),
        say(format_, TIDE, stream=False),
        say(format_, TIDE, WIND, stream=True),
        say(format_, "All calm.", stream=False),
        say(format_, "A dot.", stream=False),
        say(format_, '{"place": "Roscoff", "hour": 6}', stream=False),
        refuse(format_, 400, "the picture is too large"),
        break_off(format_, "At six"),
        full,
        full,
        full,
        say(format_, "At last.", stream=False),
    )
    before = len(there.provider.calls)
    found = run(node_sdks, there, sdk, format_.value)
    sent = [asked(format_, call.body) for call in there.provider.calls[before:]]
    stop, calls = ("stop", "tool_calls") if sdk == "openai" else ("end_turn", "tool_use")
    usage = [INPUT, OUTPUT]
    text = {"text": "At six o'clock.", "calls": [], "finish": stop, "usage": usage}
    assert (found["whole"], found["streamed"]) == (text, text)
    assert found["call"] == {"text": None, "calls": CALLS[:1], "finish": calls, "usage": usage}
    assert found["calls"] == {"text": None, "calls": CALLS, "finish": calls, "usage": usage}
    assert sent[3].tools == ["tide", "wind"]
    assert found["after"]["text"] == "All calm."
    assert sent[4].results == ["tide: calm", "wind: calm"]
    assert sent[5].pictures == [PIXEL]
    assert found["form"] == {"place": "Roscoff", "hour": 6}
    assert set(sent[6].schema["properties"]) == {"place", "hour"}
    assert (found["refused"]["name"], found["refused"]["status"]) == ("BadRequestError", 400)
    assert "the picture is too large" in found["refused"]["message"]
    assert found["broken"]["text"] == "At six"
    assert found["broken"]["name"] == "APIError"
    assert found["retried"]["text"] == "At last."
    assert len(sent) == 13
    assert found["waited_ms"] >= 3 * 500


def run(folder: Path, there: Provided, sdk: str, model: str) -> Any:
    """What node/formats.mjs says."""
    env = {**os.environ, "BASE_URL": there.base_url, "API_KEY": there.gateway.key}
    command = [program("node"), "formats.mjs", sdk, model]
    ran = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
