"""What the other dialects have to say, in Converse's own terms."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from baseload.errors import RequestError
from baseload.wire.dialects import converse, converse_reply, judging, matrix
from baseload.wire.dialects.fold import Fold
from baseload.wire.dialects.nouns import (
    Call,
    Dialect,
    Finish,
    Kind,
    Media,
    Prompt,
    Reasoning,
    Result,
    Role,
    Text,
    Tool,
    ToolChoice,
    ToolUse,
    Turn,
)
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.examples import events_of_stream, examples
from tests.wire.dialects.meaning import of_prompt
from tests.wire.dialects.service_model import CONVERSE, OURS, problems
from tests.wire.dialects.test_recorded import replies


def asked(*turns: Turn, **members_: Any) -> Prompt:
    """A prompt of another dialect."""
    return Prompt(members_.pop("model", "some.model-v1"), list(turns), **members_)


def user(*parts: Any) -> Turn:
    """What the user says."""
    return Turn(Role.USER, list(parts))


@pytest.mark.parametrize(
    ("model", "reasoning", "more", "output"),
    [
        (
            "eu.anthropic.claude-opus-4-6-v1",
            Reasoning(budget=2000),
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            None,
        ),
        (
            "eu.anthropic.claude-opus-4-6-v1",
            Reasoning(effort="minimal"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            None,
        ),
        ("eu.anthropic.claude-opus-4-6-v1", Reasoning(off=True), {"thinking": {"type": "disabled"}}, None),
        (
            "amazon.nova-2-lite-v1:0",
            Reasoning(effort="max"),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            None,
        ),
        ("amazon.nova-2-lite-v1:0", Reasoning(off=True), {"reasoningConfig": {"type": "disabled"}}, None),
        ("openai.gpt-oss-120b-1:0", Reasoning(budget=3000), {"reasoning_effort": "medium"}, None),
        ("some.model-v1", Reasoning(effort="xhigh"), None, {"effort": "xhigh"}),
        ("some.model-v1", Reasoning(off=True), None, None),
    ],
)
def test_reasoning_is_asked_for_as_the_models_maker_spells_it(
    model: str, reasoning: Reasoning, more: Any, output: Any
) -> None:
    """Claude, Nova and gpt-oss in their own words, any other model in the common field."""
    body = converse.write_request(asked(user(Text("Hi")), model=model, reasoning=reasoning))
    assert (body.get("additionalModelRequestFields"), body.get("outputConfig")) == (more, output)


@pytest.mark.parametrize(
    ("model", "more"),
    [("anthropic.claude-x", {"top_k": 5}), ("amazon.nova-pro-v1:0", {"inferenceConfig": {"topK": 5}})],
)
def test_top_k_is_sent_to_models_that_have_it(model: str, more: Any) -> None:
    """Claude and Nova have it; for another one it is refused by its name."""
    prompt = asked(user(Text("Hi")), model=model, top_k=5)
    judging.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    assert converse.write_request(prompt)["additionalModelRequestFields"] == more
    prompt.model = "some.model-v1"
    with pytest.raises(RequestError, match="top_k"):
        judging.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["report.pdf"], ["report"]),
        (["a_b  c.v2.pdf", "Été"], ["a-b c-v2", "-t-"]),
        ([None, None, "document"], ["document", "document 2", "document 3"]),
        (["x" * 300], ["x" * 200]),
        (["!!"], ["--"]),
    ],
)
def test_names_of_documents_fit_aws(names: list[str | None], expected: list[str]) -> None:
    """Letters, digits, single spaces, hyphens and brackets; each once; a missing one is supplied."""
    parts = [Media(Kind.DOCUMENT, "application/pdf", data="aGk=", name=name) for name in names]
    body = converse.write_request(asked(user(Text("Read."), *parts)))
    content = body["messages"][0]["content"]
    assert [block["document"]["name"] for block in content if "document" in block] == expected


def test_tools_that_may_not_be_called_are_left_out_or_refused() -> None:
    """AWS has no word for it: without earlier calls the tools are left out, with them it is refused."""
    tool = Tool("tides", schema={"type": "object"})
    prompt = asked(user(Text("Hi")), tools=[tool], tool_choice=ToolChoice(ToolUse.NONE))
    judging.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    assert "toolConfig" not in converse.write_request(prompt)
    prompt.turns += [Turn(Role.ASSISTANT, [Call("c1", "tides", "{}")]), user(Result("c1", [Text("5")]))]
    with pytest.raises(RequestError, match="tool_choice"):
        judging.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    judging.judge(prompt, Dialect.CHAT, Dialect.CONVERSE, drop=True)
    assert converse.write_request(prompt)["toolConfig"]["tools"][0]["toolSpec"]["name"] == "tides"


@pytest.mark.parametrize("identity", ["", "call 1/ä", "x" * 80])
def test_ids_that_do_not_fit_fit_and_agree(identity: str) -> None:
    """Call and result have the same id, in AWS's characters; a short one is read back as it was."""
    prompt = asked(
        user(Text("Hi")),
        Turn(Role.ASSISTANT, [Call(identity, "tides", "{}")]),
        user(Result(identity, [], failed=True)),
        tools=[Tool("tides")],
    )
    body = converse.write_request(prompt)
    assert list(problems(CONVERSE.input_shape, body)) == []
    use = body["messages"][1]["content"][0]["toolUse"]
    assert body["messages"][2]["content"][0]["toolResult"]["toolUseId"] == use["toolUseId"]
    if len(identity) < 40:
        back = converse.read_request(body).turns[1].parts[0]
        assert isinstance(back, Call)
        assert back.id == identity


def test_neighbouring_turns_become_one_and_a_user_speaks_first() -> None:
    """As AWS wants it, and it means the same."""
    turns = [
        Turn(Role.DEVELOPER, [Text("Be brief.")]),
        Turn(Role.ASSISTANT, [Text("Ahoy.")]),
        user(Text("One.")),
        user(Text("Two.")),
    ]
    prompt = asked(*turns)
    judged = judging.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    body = converse.write_request(prompt)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"] == [{"text": matrix.SUPPLIED}]
    back = converse.read_request(body)
    back.model = prompt.model
    assert of_prompt(back, judged.fields, CONVERSE) == of_prompt(prompt, judged.fields, CONVERSE)


def test_cache_markers_become_cache_points_and_come_back(shared: Path) -> None:
    """Anthropic's markers on instructions, texts, results and tools stand after what they mark."""
    text = {"type": "text", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "5"}]}
    tool = {"name": "tides", "input_schema": {"type": "object"}}
    marked = {"cache_control": {"type": "ephemeral"}}
    body = {
        "model": "claude-x",
        "max_tokens": 10,
        "system": [{**text, "text": "A long almanac."}],
        "messages": [
            {
                "role": "user",
                "content": [{**text, "text": "A long log."}, {"type": "text", "text": "Sum up."}],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "tides", "input": {}}],
            },
            {"role": "user", "content": [result | marked]},
        ],
        "tools": [tool | marked],
    }
    prompt = SPEAKERS[Dialect.MESSAGES].read_request(copy.deepcopy(body))
    judging.judge(prompt, Dialect.MESSAGES, Dialect.CONVERSE)
    written = converse.write_request(prompt)
    assert list(problems(CONVERSE.input_shape, written)) == []
    assert written["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert [next(iter(block)) for block in written["messages"][0]["content"]] == [
        "text",
        "cachePoint",
        "text",
    ]
    assert written["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    back = converse.read_request(written)
    back.model = "claude-x"
    assert SPEAKERS[Dialect.MESSAGES].write_request(back) == body


def test_a_streamed_citation_is_one_of_the_whole_answers() -> None:
    """What a stream adds up to has its citations, and is written with them."""
    found = [one for one in examples("stream") if str(one) == "converse/stream_cited"]
    stream = found[0].held["stream"]
    fold = Fold()
    fold.take(events_of_stream(Dialect.CONVERSE, stream))
    content = converse_reply.write_reply(fold.reply)["output"]["message"]["content"]
    citation = next(event for event in stream if "citation" in str(event))["contentBlockDelta"]["delta"]
    assert content == [
        {"citationsContent": {"content": [{"text": "At five."}], "citations": [citation["citation"]]}}
    ]


def test_an_error_without_a_type_has_one_in_openais_format() -> None:
    """AWS's bodies say the message alone; the client is told a type by the status."""
    failure = converse_reply.read_failure({"message": "Not now."})
    told = SPEAKERS[Dialect.CHAT].write_failure(failure, 429)["error"]
    assert (told["message"], told["type"]) == ("Not now.", "rate_limit_error")


def test_a_document_has_words_beside_it() -> None:
    """AWS refuses a document alone in its message: the user is made to say something, and that is told."""
    document = Media(Kind.DOCUMENT, "application/pdf", data="aGk=", name="log.pdf")
    prompt = asked(user(document), Turn(Role.ASSISTANT, [Text("Read.")]), user(document), user(Text("And?")))
    judged = judging.judge(prompt, Dialect.CHAT, Dialect.CONVERSE)
    assert "document_alone" in judged.fields
    first, _, last = converse.write_request(prompt)["messages"]
    assert [next(iter(block)) for block in first["content"]] == ["document", "text"]
    assert first["content"][1] == {"text": matrix.SUPPLIED}
    assert last["content"][1:] == [{"text": "And?"}]
    back = converse.read_request(converse.write_request(prompt))
    back.model = prompt.model
    assert of_prompt(back, judged.fields, CONVERSE) == of_prompt(prompt, judged.fields, CONVERSE)
    assert (
        "document_alone"
        not in judging.judge(asked(user(Text("Hi"), document)), Dialect.CHAT, Dialect.CONVERSE).fields
    )


def test_media_without_a_format_is_refused_by_its_kind() -> None:
    """A picture of a type that AWS does not take is named before anything is sent."""
    with pytest.raises(RequestError, match="image/tiff") as raised:
        converse.write_request(asked(user(Media(Kind.IMAGE, "image/tiff", data="aGk="))))
    assert raised.value.param == "image"


def test_reasoning_tokens_survive_a_format_without_them(shared: Path) -> None:
    """AWS counts reasoning as output; the count of its own is told beside the usage, under our name."""
    found = 0
    for exchange in replies(shared, Dialect.CHAT):
        reply = SPEAKERS[Dialect.CHAT].read_reply(copy.deepcopy(exchange["response"]))
        if reply.report is not None and reply.report.tokens.reasoning:
            usage = converse_reply.write_reply(reply)["usage"]
            assert usage[OURS] == {"reasoningTokens": reply.report.tokens.reasoning}
            found += 1
    assert found > 0


def test_finish_words_are_the_services(shared: Path) -> None:
    """Every reason for which an answer can end has a word of the service's."""
    words = set(CONVERSE.output_shape.members["stopReason"].enum)
    assert {converse_reply.FINISH_WORDS[finish] for finish in Finish} <= words
    fold = Fold()
    fold.take(events_of_stream(Dialect.CONVERSE, [{"messageStop": {"stopReason": "tool_use"}}]))
    assert fold.reply.choices[0].finish is Finish.TOOL_CALLS
