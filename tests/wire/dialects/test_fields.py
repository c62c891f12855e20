"""The table of docs/translation.md is true: every field, said in every dialect that can, at every target.

Carried: the target reads the same. Approximated: what the table says of it happens, and the header tells it.
Refused: by the name that its sender knows.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from baseload.errors import RequestError
from baseload.wire.dialects import judging
from baseload.wire.dialects.asking import used
from baseload.wire.dialects.crossing import cross
from baseload.wire.dialects.field import Field
from baseload.wire.dialects.matrix import FIELDS, JSON_ASKED, SUPPLIED
from baseload.wire.dialects.nouns import (
    IN_PATH,
    Cache,
    Call,
    Dialect,
    Form,
    Json,
    Kind,
    Media,
    Part,
    Prompt,
    Result,
    Role,
    Search,
    ServerTool,
    Service,
    Shape,
    Text,
    Tool,
    ToolChoice,
    ToolUse,
    Turn,
)
from baseload.wire.dialects.searching import ROWS
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.meaning import of_prompt

CHAT, RESPONSES, MESSAGES = Dialect.CHAT, Dialect.RESPONSES, Dialect.MESSAGES
GEMINI, CONVERSE = Dialect.GEMINI, Dialect.CONVERSE
MODELS = {
    CHAT: "qwen3-coder",
    RESPONSES: "gpt-4.1",
    MESSAGES: "claude-sonnet-4-5",
    GEMINI: "gemini-2.5-flash",
    CONVERSE: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
SCHEMA: Json = {"type": "object", "properties": {"port": {"type": "string"}}, "additionalProperties": False}
LIMITED: Json = {"type": "object", "properties": {"port": {"type": "string", "maxLength": 9}}}
TOOL = Tool("tide", "The tide.", SCHEMA)
ASKED = Turn(Role.USER, [Text("When?")], plain=True)
GO_ON = Turn(Role.USER, [Text("Go on.")], plain=True)


def prompt(*turns: Turn, **fields: Any) -> Prompt:
    """A request of these turns; with a bound on the output, so that no row but the one in question is met."""
    made = Prompt("", copy.deepcopy(list(turns or (ASKED,))), max_output=9000)
    for name, value in fields.items():
        setattr(made, name, copy.deepcopy(value))
    return made


def shown(*parts: Part) -> Prompt:
    """A user shows something and asks."""
    return prompt(Turn(Role.USER, [*parts, Text("What is it?")]))


def called(*results: Part, **fields: Any) -> Prompt:
    """A call and its result."""
    return prompt(
        ASKED,
        Turn(Role.ASSISTANT, [Call("call_1", "tide", "{}")], plain=True),
        Turn(Role.TOOL, [Result("call_1", list(results) or [Text("noon")], name="tide", **fields)]),
        tools=[TOOL],
    )


def media(kind: Kind, mime: str | None, **fields: Any) -> Prompt:
    """A user shows media."""
    return shown(Media(kind, mime, **fields))


def searching(**options: Any) -> Prompt:
    """The provider searches the web, as told."""
    return prompt(tools=[ServerTool(Service.WEB_SEARCH, search=Search(**options))])


PDF = "application/pdf"
SAMPLES: dict[str, Prompt] = {
    "max_output": prompt(),
    "unbounded_output": prompt(max_output=None),
    "temperature": prompt(temperature=0.25),
    "temperature_above_one": prompt(temperature=1.5),
    "top_p": prompt(top_p=0.75),
    "top_k": prompt(top_k=7),
    "seed": prompt(seed=4711),
    "presence_penalty": prompt(presence_penalty=0.5),
    "frequency_penalty": prompt(frequency_penalty=0.5),
    "stop": prompt(stop=["END"]),
    "choices": prompt(choices=2),
    "logprobs": prompt(logprobs=True),
    "top_logprobs": prompt(top_logprobs=3),
    "tools": prompt(tools=[TOOL]),
    "tool_strict": prompt(tools=[Tool("tide", "The tide.", SCHEMA, strict=True)]),
    "tool_schema_limits": prompt(tools=[Tool("tide", "The tide.", LIMITED, strict=True)]),
    "tool_choice": prompt(tools=[TOOL], tool_choice=ToolChoice(ToolUse.NAMED, "tide")),
    "tool_choice_none": prompt(tools=[TOOL], tool_choice=ToolChoice(ToolUse.NONE)),
    "serial_calls": prompt(tools=[TOOL], parallel_calls=False, tool_choice=ToolChoice(ToolUse.AUTO)),
    "web_search": prompt(tools=[ServerTool(Service.WEB_SEARCH)]),
    "web_search_allowed": searching(allowed=["a.example"]),
    "web_search_blocked": searching(blocked=["b.example"]),
    "web_search_location": searching(location={"city": "Husum", "timezone": "Europe/Berlin"}),
    "web_search_uses": searching(uses=3),
    "web_fetch": prompt(tools=[ServerTool(Service.WEB_FETCH)]),
    "code_execution": prompt(tools=[ServerTool(Service.CODE_EXECUTION)]),
    "form_json": prompt(form=Form(Shape.JSON)),
    "form_schema": prompt(form=Form(Shape.SCHEMA, SCHEMA)),
    "form_words": prompt(form=Form(Shape.SCHEMA, SCHEMA, "gauge", "A gauge.", strict=True)),
    "schema_limits": prompt(form=Form(Shape.SCHEMA, LIMITED)),
    "verbosity": prompt(verbosity="medium"),
    "user": prompt(user="mate-7"),
    "user_long": prompt(user="mate-" + "7" * 300),
    "tier": prompt(tier="default"),
    "metadata": prompt(metadata={"ship": "Sleipnir"}),
    "metadata_unfit": prompt(metadata={"ship": "Sleipnir ⚓" + "!" * 300}),
    "developer": prompt(Turn(Role.DEVELOPER, [Text("Be brief.")], plain=True), ASKED),
    "system_midway": prompt(
        ASKED,
        Turn(Role.ASSISTANT, [Text("At noon.")], plain=True),
        Turn(Role.SYSTEM, [Text("The watch changed.")], plain=True),
        GO_ON,
    ),
    "user_first": prompt(Turn(Role.ASSISTANT, [Text("Ahoy.")], plain=True), GO_ON),
    "system_alone": prompt(Turn(Role.SYSTEM, [Text("Say when.")], plain=True)),
    "nothing_said": prompt(Turn(Role.SYSTEM, [Text("Say when.")], plain=True)),
    "participant": prompt(Turn(Role.USER, [Text("When?")], plain=True, name="ada")),
    "cache_marker": shown(Text("Rules.", cache=Cache())),
    "call_unsigned": called(),
    "image_data": media(Kind.IMAGE, "image/png", data="aGk="),
    "image_url": media(Kind.IMAGE, None, url="https://a.example/b.png"),
    "image_url_untyped": media(Kind.IMAGE, None, url="https://a.example/b"),
    "image_file": media(Kind.IMAGE, "image/png", file="file-1"),
    "document_data": media(Kind.DOCUMENT, PDF, data="aGk=", name="log"),
    "document_text": media(Kind.DOCUMENT, "text/plain", text="At noon.", name=None),
    "document_text_name": media(Kind.DOCUMENT, "text/plain", text="At noon.", name="Log"),
    "document_name": media(Kind.DOCUMENT, PDF, data="aGk=", name="log"),
    "document_name_unfit": media(Kind.DOCUMENT, PDF, data="aGk=", name="log_7.pdf"),
    "document_alone": prompt(Turn(Role.USER, [Media(Kind.DOCUMENT, PDF, data="aGk=", name="log")])),
    "document_url": media(Kind.DOCUMENT, None, url="https://a.example/b.pdf"),
    "document_url_untyped": media(Kind.DOCUMENT, None, url="https://a.example/b"),
    "document_file": media(Kind.DOCUMENT, None, file="file-1"),
    "audio_data": media(Kind.AUDIO, "audio/wav", data="aGk="),
    "audio_url": media(Kind.AUDIO, "audio/wav", url="https://a.example/b.wav"),
    "audio_file": media(Kind.AUDIO, "audio/wav", file="gs://a/b.wav"),
    "video_data": media(Kind.VIDEO, "video/mp4", data="aGk="),
    "video_url": media(Kind.VIDEO, "video/mp4", url="https://a.example/b.mp4"),
    "video_file": media(Kind.VIDEO, "video/mp4", file="gs://a/b.mp4"),
    "image_detail": media(Kind.IMAGE, "image/png", data="aGk=", detail="low"),
    "result_failed": called(failed=True),
    "result_media": called(Text("See:"), Media(Kind.IMAGE, "image/png", data="aGk="), plain=False),
    "tool_choice_none_midway": called(),
    "calls_without_tools": called(),
}
SAMPLES["tool_choice_none_midway"].tool_choice = ToolChoice(ToolUse.NONE)
SAMPLES["calls_without_tools"].tools = None

ELSEWHERE = {
    "temperature_unsampled",
    "top_p_unsampled",
    "top_k_unsampled",
    "effort",
    "thinking_budget",
    "thinking_dynamic",
    "thinking_off",
    "tier_unknown",
    "foreign_thought",
}
"""Rows about what differs from model to model, and about another's reasoning: test_thinking has them."""

UNWRITTEN: dict[str, set[Dialect]] = {
    "system_alone": {GEMINI, CONVERSE},
    "user_first": {CONVERSE},
    "nothing_said": {MESSAGES, CONVERSE, GEMINI},
    "document_name": {GEMINI},
    "document_name_unfit": {CONVERSE, GEMINI},
    "document_text": {CHAT, RESPONSES, GEMINI},
    "user_long": {GEMINI, CONVERSE},
    "cache_marker": {CHAT, RESPONSES},
    "metadata_unfit": {CONVERSE},
    "tool_schema_limits": {GEMINI},
}
"""Where a sample cannot be made by writing it, as the writer itself settles it or leaves it out."""
WRITTEN = {"user_long": {CHAT, RESPONSES, MESSAGES}, "result_media": {RESPONSES, MESSAGES, GEMINI, CONVERSE}}
"""Dialects that can say a row of which the table says how they are told of it."""


WITHIN = dict.fromkeys(ROWS, "web_search")
"""Rows about options of what another row is about."""


def speakers(name: str) -> list[Dialect]:
    """The dialects in which a client can say the row's sample."""
    field = FIELDS[name]
    can = WRITTEN.get(name) or {dialect for dialect in Dialect if field.carried(dialect)}
    return sorted(can - UNWRITTEN.get(name, set()))


CASES = [
    (name, source, target)
    for name in SAMPLES
    for source in speakers(name)
    for target in Dialect
    if target is not source
]


def asked_in(source: Dialect, name: str) -> Json:
    """The row's sample as a client of the dialect says it."""
    sample = copy.deepcopy(SAMPLES[name])
    sample.model = MODELS[source]
    return SPEAKERS[source].write_request(sample)


def read(source: Dialect, body: Json, target: Dialect) -> Prompt:
    """What is read of the body, for the target's model."""
    made = SPEAKERS[source].read_request(copy.deepcopy(body))
    made.model = MODELS[target]
    return made


def refused(field: Field, source: Dialect, target: Dialect) -> bool:
    """Whether the table refuses the row here."""
    if field.approximated(target):
        return False
    model = MODELS[target]
    return not (field.carried(target) and field.known(source, target) and field.open_to(target, model))


@pytest.mark.parametrize(("name", "source", "target"), CASES)
def test_a_field_is_what_the_table_says(name: str, source: Dialect, target: Dialect) -> None:
    """Carried with its meaning, approximated as told, or refused by the sender's own name for it."""
    field, body = FIELDS[name], asked_in(source, name)
    said = read(source, body, target)
    assert name in set(used(said, target)) or not (
        refused(field, source, target) or field.approximated(target)
    )
    if refused(field, source, target):
        with pytest.raises(RequestError) as error:
            judging.judge(said, source, target)
        whole = FIELDS.get(WITHIN.get(name, ""))  # what cannot search refuses that before how it is done
        named = whole if whole is not None and refused(whole, source, target) else field
        assert error.value.param == named.path(source)
        return
    before = copy.deepcopy(said)
    judged = judging.judge(said, source, target)
    written = SPEAKERS[target].write_request(said)
    told = name in judged.fields
    assert told == bool(field.approximated(target))
    crossing = cross(json.dumps(body).encode(), source, target, asked="m", model=MODELS[target])
    kept = {"store": False} if target is RESPONSES else {}  # the crossing's own: see `crossing.cross`
    assert json.loads(crossing.body) == written | kept
    header = crossing.headers().decode()
    assert (judging_name(field.path(source)) in header) >= told
    if told and field.approximated(target) != "left out":
        HAPPENS[name, target](written)
    back = SPEAKERS[target].read_request(copy.deepcopy(written))
    if target in IN_PATH:
        back.model, back.stream = before.model, before.stream
    assert of_prompt(back, judged.fields, target) == of_prompt(before, judged.fields, target)
    if told and field.approximated(target) == "left out":
        assert of_prompt(back, set(), target) != of_prompt(before, set(), target)


def judging_name(path: str) -> str:
    """A path as the header spells it."""
    return path.partition(":")[0]


def at(path: str, expected: Any) -> Callable[[Json], None]:
    """A check that the body holds a value at a path."""

    def check(body: Json) -> None:
        value: Any = body
        for key in path.split("."):
            value = value[int(key)] if key.lstrip("-").isdigit() else value.get(key)
        assert value == expected

    return check


def without(path: str) -> Callable[[Json], None]:
    """A check that the body says nothing at a path."""

    def check(body: Json) -> None:
        value: Any = body
        *outer, last = path.split(".")
        for key in outer:
            value = value.get(key, {})
        assert last not in value

    return check


HASHED = hashlib.sha256(b"mate-" + b"7" * 300).hexdigest()
CLOSED = {
    "type": "object",
    "properties": {"port": {"type": "string", "description": '{"maxLength": 9}'}},
    "additionalProperties": False,
}
UNSIGNED = "skip_thought_signature_validator"
HAPPENS: dict[tuple[str, Dialect], Callable[[Json], None]] = {
    ("unbounded_output", MESSAGES): at("max_tokens", 4096),
    ("temperature_above_one", MESSAGES): at("temperature", 1),
    ("temperature_above_one", CONVERSE): at("inferenceConfig.temperature", 1),
    ("tool_schema_limits", MESSAGES): at("tools.0.input_schema", CLOSED),
    ("tool_schema_limits", CONVERSE): at("toolConfig.tools.0.toolSpec.inputSchema.json", CLOSED),
    ("tool_choice_none", CONVERSE): without("toolConfig"),
    ("calls_without_tools", CONVERSE): at("toolConfig.tools.0.toolSpec.name", "tide"),
    ("serial_calls", GEMINI): at("toolConfig.functionCallingConfig.mode", "AUTO"),
    ("serial_calls", CONVERSE): at(
        "additionalModelRequestFields.tool_choice", {"type": "auto", "disable_parallel_tool_use": True}
    ),
    ("web_search_uses", CHAT): at("web_search_options", {}),
    ("web_search_uses", RESPONSES): at("tools.0", {"type": "web_search"}),
    ("web_search_uses", GEMINI): at("tools.0", {"googleSearch": {}}),
    ("form_json", MESSAGES): at("system", JSON_ASKED),
    ("form_json", CONVERSE): at("system.0.text", JSON_ASKED),
    ("form_words", MESSAGES): at("output_config.format", {"type": "json_schema", "schema": SCHEMA}),
    ("form_words", GEMINI): at("generationConfig.responseJsonSchema", SCHEMA),
    ("form_words", CONVERSE): at("outputConfig.textFormat.structure.jsonSchema.strict", None),
    ("schema_limits", MESSAGES): at("output_config.format.schema", CLOSED),
    ("schema_limits", CONVERSE): at(
        "outputConfig.textFormat.structure.jsonSchema.schema", json.dumps(CLOSED)
    ),
    ("metadata_unfit", CONVERSE): at("requestMetadata.ship", ("Sleipnir _" + "_" * 300)[:256]),
    ("developer", MESSAGES): at("system", "Be brief."),
    ("developer", GEMINI): at("systemInstruction.parts.0.text", "Be brief."),
    ("developer", CONVERSE): at("system.0.text", "Be brief."),
    ("system_midway", MESSAGES): at("messages.2", {"role": "user", "content": "The watch changed."}),
    ("system_midway", GEMINI): at("contents.2", {"role": "user", "parts": [{"text": "The watch changed."}]}),
    ("system_midway", CONVERSE): at("messages.2.content.0.text", "The watch changed."),
    ("user_first", CONVERSE): at("messages.0.content.0.text", SUPPLIED),
    ("system_alone", GEMINI): at("contents.0.role", "user"),
    ("nothing_said", MESSAGES): at("messages.0", {"role": "user", "content": SUPPLIED}),
    ("nothing_said", CONVERSE): at("messages.0.content.0.text", SUPPLIED),
    ("call_unsigned", GEMINI): at("contents.1.parts.0.thoughtSignature", UNSIGNED),
    ("image_url_untyped", GEMINI): at("contents.0.parts.0.fileData.mimeType", "image/jpeg"),
    ("document_url_untyped", GEMINI): at("contents.0.parts.0.fileData.mimeType", PDF),
    ("document_text", CHAT): at("messages.0.content.0.text", "At noon."),
    ("document_text", RESPONSES): at("input.0.content.0.text", "At noon."),
    ("document_text", GEMINI): at("contents.0.parts.0.text", "At noon."),
    ("document_name_unfit", CONVERSE): at("messages.0.content.0.document.name", "log-7"),
    ("document_alone", CONVERSE): at("messages.0.content.1.text", SUPPLIED),
    ("result_failed", GEMINI): at("contents.2.parts.0.functionResponse.response", {"error": "noon"}),
    ("result_media", CHAT): at("messages.3.content.0.type", "image_url"),
    ("user_long", CHAT): at("user", HASHED),
    ("user_long", RESPONSES): at("user", HASHED),
    ("user_long", MESSAGES): at("metadata.user_id", HASHED),
}
"""What the table's words come to in the samples."""


def test_the_walk_leaves_no_field_out() -> None:
    """Every row has a sample or another test, and one that somebody can say; every ≈ has its check."""
    assert set(SAMPLES) | ELSEWHERE == set(FIELDS)
    assert [name for name in SAMPLES if not speakers(name)] == []
    hows = {
        (name, target)
        for name, source, target in CASES
        if FIELDS[name].approximated(target) not in ("", "left out")
    }
    assert hows <= set(HAPPENS)


@pytest.mark.parametrize(
    ("plain", "name"),
    [
        ("temperature", "temperature_above_one"),
        ("metadata", "metadata_unfit"),
        ("image_url", "image_url_untyped"),
        ("document_url", "document_url_untyped"),
        ("document_name", "document_name_unfit"),
        ("user", "user_long"),
        ("form_schema", "form_words"),
        ("form_schema", "schema_limits"),
        ("tool_strict", "tool_schema_limits"),
    ],
)
def test_what_fits_is_not_told(plain: str, name: str) -> None:
    """A row about values that do not fit is not met by one that does."""
    for target in Dialect:
        fitting = copy.deepcopy(SAMPLES[plain])
        fitting.model = MODELS[target]
        assert name not in set(used(fitting, target))
