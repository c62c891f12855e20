"""The official OpenAI SDK reaches images, audio and moderations through the gateway, and pays for them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.gateway.passing.conftest import target
from tests.gateway.passing.upstream import PIXEL, SPOKEN, Upstream
from tests.gateway.threaded import ThreadedGateway, eventually

Passing = Callable[..., ThreadedGateway]
Sdk = Callable[..., openai.OpenAI]
DEPRECATED = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""The SDK warns of calls that OpenAI will drop; others still serve them."""
SOUND = b"RIFF" + bytes(range(256)) * 300


def _row(gateway: ThreadedGateway) -> dict[str, Any]:
    (row,) = gateway.rows(1)
    assert eventually(gateway.at_rest)
    return row


def test_images_are_charged_each(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """Two images at $0.04 cost 8 cents, exactly; the target gets its own name for the model."""
    gateway = passing({"pictures": target(upstream, image="0.04", model="dall-e-3")})
    made = sdk(gateway).images.generate(model="pictures", prompt="a cat", n=2)
    assert [each.b64_json for each in made.data or []] == [PIXEL, PIXEL]
    assert upstream.calls[0].json == {"model": "dall-e-3", "prompt": "a cat", "n": 2}
    assert upstream.calls[0].headers["authorization"] == "Bearer sk-upstream"
    row = _row(gateway)
    assert (row["endpoint"], row["model"], row["outcome"]) == ("images.generations", "pictures", "completed")
    assert (row["cost_nano"], row["reserved_nano"]) == (80_000_000, 80_000_000)


def test_images_by_their_tokens(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """Where the answer reports tokens and the target writes no price of an image, tokens are charged."""
    gateway = passing({"gpt-image-1": target(upstream, price={"input": "5.00", "output": "40.00"})})
    made = sdk(gateway).images.generate(model="gpt-image-1", prompt="a cat")
    assert made.usage is not None
    row = _row(gateway)
    assert (row["input_tokens"], row["output_tokens"]) == (50, 1056)
    assert row["cost_nano"] == 50 * 5_000 + 1056 * 40_000
    assert row["reserved_nano"] is None


def test_tokens_of_images_have_a_price_of_their_own(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """Input tokens of images are dearer: without their price the cost is unknown, never that of text."""
    tokens = {"input": "5.00", "output": "40.00"}
    gateway = passing(
        {
            "gpt-image-1": target(upstream, price=tokens, input_image="10.00"),
            "gpt-image-x": target(upstream, price=tokens),
        }
    )
    for model in ("gpt-image-1", "gpt-image-x"):
        sdk(gateway).images.edit(
            model=model, image=("cat.png", b"png"), prompt="x", extra_body={"prompt_image": "1"}
        )
    first, second = gateway.rows(2)
    assert first["cost_nano"] == 10 * 5_000 + 40 * 10_000 + 1056 * 40_000
    assert second["cost_nano"] is None
    assert gateway.metric("baseload_unknown_cost_total", target="gpt-image-x") == 1


def test_an_edit_streams_its_file(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """A picture sent with a form arrives as it was sent, the model under the target's name for it."""
    picture = bytes(range(256)) * 4096
    gateway = passing({"pictures": target(upstream, image="0.04", model="gpt-image-1-upstream")})
    sdk(gateway).images.edit(model="pictures", image=("cat.png", picture), prompt="a hat", n=2)
    call = upstream.calls[0]
    assert call.files["image"] == (len(picture), hashlib.sha256(picture).hexdigest())
    assert call.fields == {"model": "gpt-image-1-upstream", "prompt": "a hat", "n": "2"}
    assert _row(gateway)["cost_nano"] == 80_000_000


@DEPRECATED
def test_variations_need_no_model(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """A request without a model goes to the targets of its group."""
    gateway = passing({"api": target(upstream, image="0.02")}, {"images": ["api"]})
    sdk(gateway).images.create_variation(image=("cat.png", b"png"))
    row = _row(gateway)
    assert (row["target"], row["model"], row["cost_nano"]) == ("api", "", 20_000_000)


def test_a_stream_of_images(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """Events come as they are; the usage of the last one is charged."""
    gateway = passing({"gpt-image-1": target(upstream, price={"input": "5.00", "output": "40.00"})})
    with sdk(gateway).images.generate(model="gpt-image-1", prompt="a cat", stream=True) as events:
        kinds = [event.type for event in events]
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    row = _row(gateway)
    assert (row["stream"], row["cost_nano"]) == (1, 50 * 5_000 + 1056 * 40_000)


def test_speech_is_charged_by_the_character(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """Sound comes back as it was made, with its content type; a character is a code point."""
    gateway = passing({"tts-1": target(upstream, character="0.000015")})
    with sdk(gateway).audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="héllo €"
    ) as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        assert answer.headers["x-baseload-target"] == "tts-1"
        assert b"".join(answer.iter_bytes()) == SPOKEN
    row = _row(gateway)
    assert (row["endpoint"], row["cost_nano"]) == ("audio.speech", 7 * 15_000)
    assert row["ttft_ns"] is not None


@DEPRECATED
@pytest.mark.parametrize("call", ["transcriptions", "translations"])
def test_hearing_is_charged_by_the_second(passing: Passing, sdk: Sdk, upstream: Upstream, call: str) -> None:
    """Nine seconds as the answer counts them, at $0.006 a minute."""
    gateway = passing({"whisper-1": target(upstream, second="0.0001")})
    heard = getattr(sdk(gateway).audio, call).create(model="whisper-1", file=("a.wav", SOUND))
    assert heard.text == "hello there"
    assert upstream.calls[0].files["file"] == (len(SOUND), hashlib.sha256(SOUND).hexdigest())
    row = _row(gateway)
    assert (row["endpoint"], row["cost_nano"]) == (f"audio.{call}", 900_000)


def test_hearing_by_tokens(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """Models that report tokens are charged by them."""
    gateway = passing({"gpt-4o-transcribe": target(upstream, price={"input": "2.50", "output": "10.00"})})
    sdk(gateway).audio.transcriptions.create(model="gpt-4o-transcribe", file=io.BytesIO(SOUND))
    assert _row(gateway)["cost_nano"] == 14 * 2_500 + 45 * 10_000


def test_an_answer_that_counts_nothing_costs_unknown(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """Plain text says no seconds: the cost is unknown and counted as that."""
    gateway = passing({"whisper-1": target(upstream, second="0.0001")})
    heard = sdk(gateway).audio.transcriptions.create(
        model="whisper-1", file=("a.wav", SOUND), response_format="text"
    )
    assert str(heard) == "hello there\n"
    assert _row(gateway)["cost_nano"] is None
    assert gateway.metric("baseload_unknown_cost_total") == 1


def test_moderations(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """A free call of a group is free since the file says so; what a client names passes on as it is."""
    gateway = passing({"api": target(upstream, request="0")}, {"moderations": ["api"]})
    judged = sdk(gateway).moderations.create(input="hello", model="omni-moderation-latest")
    assert (judged.results[0].flagged, judged.model) == (False, "omni-moderation-latest")
    sdk(gateway).moderations.create(input="hello")
    named, nameless = gateway.rows(2)
    assert [row["model"] for row in (named, nameless)] == ["omni-moderation-latest", ""]
    assert [row["cost_nano"] for row in (named, nameless)] == [0, 0]
    assert upstream.calls[1].json == {"input": "hello"}


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_rerank_on_every_path(passing: Passing, upstream: Upstream, path: str) -> None:
    """Search units are charged as the answer counts them."""
    gateway = passing({"rerank-3": target(upstream, search="0.002")})
    body = {"model": "rerank-3", "query": "q", "documents": ["a", "b"]}
    with gateway.connection() as connection:
        given = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        connection.request("POST", path, json.dumps(body), given)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["x-baseload-cost-usd"] == "0.002000000"
        assert [each["index"] for each in json.loads(answer.read())["results"]] == [0, 1]
    assert upstream.calls[0].path == "/v1/rerank"
    row = _row(gateway)
    assert (row["endpoint"], row["cost_nano"]) == ("rerank", 2_000_000)
