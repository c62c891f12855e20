"""What the official SDKs for Node keep of an answer and send back: signatures survive them too."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from baseload.wire.dialects.nouns import Call, Dialect, Own, Role, Thought
from baseload.wire.dialects.speakers import SPEAKERS
from tests.services.conftest import program
from tests.wire.dialects.test_sdks_keep import serving

pytestmark = pytest.mark.services

SDKS = {Dialect.MESSAGES: "anthropic", Dialect.CHAT: "chat", Dialect.RESPONSES: "responses"}


@pytest.mark.parametrize("how", ["whole", "streamed"])
@pytest.mark.parametrize("client", list(SDKS))
def test_what_only_the_target_can_check_survives_the_sdk(node_sdks: Path, client: Dialect, how: str) -> None:
    """Of an answer of Google's: a thought's signature, a seal, and what a call has besides."""
    with serving(client, Dialect.GEMINI, stream=how == "streamed") as provider:
        command = [program("node"), "keeps.mjs", SDKS[client], how]
        env = {**os.environ, "BASE_URL": provider.url}
        done = subprocess.run(command, cwd=node_sdks, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        sent = json.loads(provider.calls[1].body)
    prompt = SPEAKERS[client].read_request(sent)
    parts = [part for turn in prompt.turns if turn.role is Role.ASSISTANT for part in turn.parts]
    thoughts = [part for part in parts if isinstance(part, Thought)]
    assert [part.signature for part in thoughts if part.signature] == ["c2lnbmVk"]
    assert [part.sealed for part in thoughts if part.sealed] == ["c2VhbGVk"]
    assert [part.own for part in parts if isinstance(part, Call)] == [Own(Dialect.GEMINI, {"extra": "e"})]
