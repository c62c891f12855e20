"""What each dialect can say: every field of a request, carried, approximated (and how) or refused.

The table is the rule: `judge` refuses by it, the writers rely on it, docs/translation.md is made from it, and
a test writes every field in every dialect and compares. A field that a target cannot carry is refused before
anything is sent, by the name its sender knows; `drop` leaves it out instead and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from msgspec import Struct

from baseload import errors
from baseload.errors import RequestError
from baseload.wire.dialects.nouns import (
    Call,
    Dialect,
    Foreign,
    Kind,
    Media,
    Own,
    Part,
    Prompt,
    Result,
    Role,
    ServerTool,
    Service,
    Shape,
    Text,
    Thought,
    Tool,
    ToolUse,
    Turn,
)


class Field(Struct, frozen=True):
    """One thing a request can say, and its name in each dialect.

    "" is refused; "~NAME: HOW" is approximated, NAME left out where it has none of its own. `only`: a dialect
    that says it for some models alone, and what the names of these hold one of.
    """

    name: str
    chat: str
    responses: str
    messages: str
    gemini: str
    converse: str
    only: dict[Dialect, tuple[str, ...]] = {}

    def says(self, dialect: Dialect) -> str:
        """The cell of a dialect."""
        return str(getattr(self, dialect.value))

    def path(self, dialect: Dialect) -> str:
        """What a client of this dialect calls the field."""
        return self.says(dialect).removeprefix("~").partition(":")[0] or self.name

    def carried(self, dialect: Dialect) -> bool:
        """Whether the dialect says exactly this."""
        return bool(self.says(dialect)) and not self.says(dialect).startswith("~")

    def open_to(self, dialect: Dialect, model: str) -> bool:
        """Whether a model of this name can be told, where the dialect makes a difference between models."""
        words = self.only.get(dialect)
        return words is None or any(word in model.lower() for word in words)

    def approximated(self, dialect: Dialect) -> str:
        """How the dialect says it nearly; empty where it carries or refuses it."""
        said = self.says(dialect)
        return said.partition(":")[2].strip() if said.startswith("~") else ""


_OUT = "~: left out"
SUPPLIED = "Continue."
"""What a user is made to say where a format wants a user's turn first and the conversation has none there."""
_BY_URL = "~fileData: as image/jpeg or application/pdf where the URL's ending tells no media type"

FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        # sampling
        Field(
            "max_output",
            "max_completion_tokens",
            "max_output_tokens",
            "max_tokens",
            "generationConfig.maxOutputTokens",
            "inferenceConfig.maxTokens",
        ),
        Field(
            "unbounded_output",
            "max_completion_tokens",
            "max_output_tokens",
            "~max_tokens: set to 4096, since this format needs a bound",
            "generationConfig.maxOutputTokens",
            "inferenceConfig.maxTokens",
        ),
        Field(
            "temperature",
            "temperature",
            "temperature",
            "~temperature: above 1 it is sent as 1",
            "generationConfig.temperature",
            "~inferenceConfig.temperature: above 1 it is sent as 1",
        ),
        Field("top_p", "top_p", "top_p", "top_p", "generationConfig.topP", "inferenceConfig.topP"),
        Field(
            "top_k",
            "top_k",
            "",
            "top_k",
            "generationConfig.topK",
            "additionalModelRequestFields.top_k",
            only={Dialect.CONVERSE: ("anthropic.", "claude", "nova")},
        ),
        Field("seed", "seed", "", "", "generationConfig.seed", ""),
        Field("presence_penalty", "presence_penalty", "", "", "generationConfig.presencePenalty", ""),
        Field("frequency_penalty", "frequency_penalty", "", "", "generationConfig.frequencyPenalty", ""),
        Field(
            "stop",
            "stop",
            "",
            "stop_sequences",
            "generationConfig.stopSequences",
            "inferenceConfig.stopSequences",
        ),
        Field("choices", "n", "", "", "generationConfig.candidateCount", ""),
        Field("logprobs", "logprobs", "include", "", "generationConfig.responseLogprobs", ""),
        Field("top_logprobs", "top_logprobs", "top_logprobs", "", "generationConfig.logprobs", ""),
        # tools
        Field("tools", "tools", "tools", "tools", "tools.functionDeclarations", "toolConfig.tools"),
        Field(
            "tool_strict",
            "tools.function.strict",
            "tools.strict",
            "tools.strict",
            _OUT,
            "toolConfig.tools.toolSpec.strict",
        ),
        Field(
            "tool_choice",
            "tool_choice",
            "tool_choice",
            "tool_choice",
            "toolConfig.functionCallingConfig",
            "toolConfig.toolChoice",
        ),
        Field(
            "tool_choice_none",
            "tool_choice",
            "tool_choice",
            "tool_choice",
            "toolConfig.functionCallingConfig",
            "~toolConfig.toolChoice: the tools are left out",
        ),
        Field(
            "tool_choice_none_midway",
            "tool_choice",
            "tool_choice",
            "tool_choice",
            "toolConfig.functionCallingConfig",
            "",
        ),
        Field(
            "calls_without_tools",
            "messages.tool_calls",
            "input.function_call",
            "messages.content.tool_use",
            "contents.parts.functionCall",
            "~toolConfig.tools: the tools that earlier turns called are declared, without parameters",
        ),
        Field(
            "serial_calls",
            "parallel_tool_calls",
            "parallel_tool_calls",
            "tool_choice.disable_parallel_tool_use",
            "",
            "",
        ),
        Field(
            "web_search",
            "web_search_options",
            "tools.web_search",
            "tools.web_search",
            "tools.googleSearch",
            "",
        ),
        Field(
            "code_execution", "", "tools.code_interpreter", "tools.code_execution", "tools.codeExecution", ""
        ),
        # form of the answer
        Field(
            "form_json",
            "response_format",
            "text.format",
            "",
            "generationConfig.responseMimeType",
            "",
        ),
        Field(
            "form_schema",
            "response_format",
            "text.format",
            "~output_config.format: name, description and strict are left out",
            "~generationConfig.responseJsonSchema: name, description and strict are left out",
            "~outputConfig.textFormat: strict is left out",
        ),
        Field("verbosity", "verbosity", "text.verbosity", _OUT, _OUT, _OUT),
        # reasoning
        Field(
            "effort",
            "reasoning_effort",
            "reasoning.effort",
            "~output_config.effort: minimal is sent as low",
            "~generationConfig.thinkingConfig.thinkingLevel: xhigh and max are sent as high",
            "~outputConfig.effort: minimal is sent as low; in additionalModelRequestFields to Claude, and to "
            "Nova and gpt-oss, which know low, medium and high",
        ),
        Field(
            "thinking_budget",
            "~reasoning_effort: the least effort whose budget (EFFORTS) is enough",
            "~reasoning.effort: the least effort whose budget (EFFORTS) is enough",
            "thinking.budget_tokens",
            "generationConfig.thinkingConfig.thinkingBudget",
            "~additionalModelRequestFields.thinking: to Claude; to others the least effort whose budget "
            "(EFFORTS) is enough",
        ),
        Field(
            "thinking_off",
            "reasoning_effort",
            "reasoning.effort",
            "thinking",
            "generationConfig.thinkingConfig.thinkingBudget",
            "~additionalModelRequestFields: to Claude and Nova; left out to others",
        ),
        # who asks
        Field("user", "user", "user", "metadata.user_id", _OUT, _OUT),
        Field(
            "tier",
            "service_tier",
            "service_tier",
            _OUT,
            _OUT,
            "~serviceTier: default, flex and priority; any other is left out",
        ),
        Field(
            "metadata",
            "metadata",
            "metadata",
            _OUT,
            _OUT,
            "~requestMetadata: characters that AWS does not take become _, values end after 256",
        ),
        # turns
        Field(
            "developer",
            "messages.role",
            "input.role",
            "~system: as system",
            "~systemInstruction: as system",
            "~system: as system",
        ),
        Field(
            "system_midway",
            "messages.role",
            "input.role",
            "~messages: said by the user where it stands",
            "~contents: said by the user where it stands",
            "~messages: said by the user where it stands",
        ),
        Field(
            "user_first",
            "messages",
            "input",
            "messages",
            "contents",
            f"~messages: the user is made to say {SUPPLIED!r} first, since a user's turn must stand there",
        ),
        Field(
            "system_alone",
            "messages.role",
            "input.role",
            "system",
            "~contents: said by the user, since this format needs a turn",
            "system",
        ),
        Field("participant", "messages.name", _OUT, _OUT, _OUT, _OUT),
        Field("cache_marker", _OUT, _OUT, "cache_control", _OUT, "cachePoint"),
        Field(
            "foreign_thought",
            "~reasoning_content: its text alone",
            _OUT,
            _OUT,
            _OUT,
            _OUT,
        ),
        # media
        Field(
            "image_data",
            "image_url",
            "input_image",
            "image.source.base64",
            "inlineData",
            "image.source.bytes",
        ),
        Field(
            "image_url",
            "image_url",
            "input_image",
            "image.source.url",
            _BY_URL,
            "",
        ),
        Field("image_file", "", "input_image.file_id", "image.source.file", "fileData", ""),
        Field(
            "document_data",
            "file.file_data",
            "input_file.file_data",
            "document.source.base64",
            "inlineData",
            "document.source.bytes",
        ),
        Field(
            "document_text",
            "~content: as text",
            "~content: as text",
            "document.source.text",
            "~parts: as text",
            "document.source.text",
        ),
        Field(
            "document_name",
            "file.filename",
            "input_file.filename",
            "document.title",
            _OUT,
            "~document.name: in the characters that AWS takes, each once, document where there is none",
        ),
        Field(
            "document_alone",
            "messages.content",
            "input.content",
            "messages.content",
            "contents.parts",
            f"~messages.content: the user is made to say {SUPPLIED!r} with it, since it must have words",
        ),
        Field(
            "document_url",
            "",
            "input_file.file_url",
            "document.source.url",
            _BY_URL,
            "",
        ),
        Field("document_file", "file.file_id", "input_file.file_id", "document.source.file", "fileData", ""),
        Field("audio_data", "input_audio", "", "", "inlineData", "audio.source.bytes"),
        Field("audio_url", "", "", "", "fileData", ""),
        Field("audio_file", "", "", "", "fileData", ""),
        Field("video_data", "", "", "", "inlineData", "video.source.bytes"),
        Field("video_url", "", "", "", "fileData", ""),
        Field("video_file", "", "", "", "fileData", ""),
        Field("image_detail", "image_url.detail", "input_image.detail", _OUT, _OUT, _OUT),
        # results of tools
        Field(
            "result_failed",
            _OUT,
            _OUT,
            "tool_result.is_error",
            "~functionResponse.response: as the member error",
            "toolResult.status",
        ),
        Field(
            "result_media",
            "",
            "function_call_output.output",
            "tool_result.content",
            "functionResponse.parts",
            "toolResult.content",
        ),
    )
}

HARMLESS: dict[Dialect, dict[str, str]] = {
    Dialect.CHAT: {
        "store": "keeping the answer is the provider's own",
        "prompt_cache_key": "routing of the provider's own cache",
        "prompt_cache_retention": "the provider's own cache",
        "prompt_cache_options": "the provider's own cache",
        "safety_identifier": "the provider's own abuse checks",
        "stream_options": "the form of the stream alone",
    },
    Dialect.RESPONSES: {
        "store": "keeping the answer is the provider's own",
        "prompt_cache_key": "routing of the provider's own cache",
        "prompt_cache_retention": "the provider's own cache",
        "safety_identifier": "the provider's own abuse checks",
        "stream_options": "the form of the stream alone",
        "prompt_cache_options": "the provider's own cache",
        "include": "extra members of the answer",
        "reasoning.context": "keeping earlier reasoning is the provider's own",
        "truncation": "dropping old turns is the provider's own",
    },
    Dialect.MESSAGES: {
        "anthropic_version": "the version of this dialect",
        "anthropic_beta": "switches of this dialect",
        "cache_control": "the provider's own cache",
        "metadata": "the provider's own abuse checks",
    },
    Dialect.GEMINI: {
        "safetySettings": "the provider's own filter",
        "labels": "the provider's own billing",
        "cachedContent": "the provider's own cache",
        "serviceTier": "the provider's own service tier",
        "store": "keeping the answer is the provider's own",
    },
    Dialect.CONVERSE: {
        "performanceConfig": "the provider's own service tier",
        "serviceTier": "the provider's own service tier",
        "additionalModelResponseFieldPaths": "extra members of the answer",
    },
}
"""Members of one dialect alone that change nothing of what is answered: left out elsewhere, and why."""


class Judged(Struct):
    """What becomes of a request at a target: what is approximated and what was dropped, for its sender.

    `fields`: the names (of `FIELDS`) of those that are approximated.
    """

    approximated: list[str]
    dropped: list[str]
    fields: set[str]


def judge(prompt: Prompt, source: Dialect, target: Dialect, *, drop: bool = False) -> Judged:
    """Whether `target` can say `prompt`, which a client wrote in `source`; with `drop` it is made to.

    Raises RequestError (unsupported_parameter) with the name of the first field that it cannot carry.
    """
    judged = Judged([], [], set())
    if source is target:
        return judged
    for name in set(used(prompt, target)):
        field = FIELDS[name]
        if how := field.approximated(target):
            judged.approximated.append(f"{field.path(source)}: {how}")
            judged.fields.add(name)
        elif not field.carried(target) or not field.open_to(target, prompt.model):
            if not drop:
                raise unsupported(field.path(source), target)
            _drop(prompt, name)
            judged.dropped.append(field.path(source))
    for path, own in foreign(prompt, source):
        if own.dialect is target:
            continue  # of an earlier answer of the target's, which the client sent back whole
        judged_as = HARMLESS[source].get(path)
        if own.dialect is not source:
            judged.approximated.append(f"{path}: left out, since only {own.dialect.value} can say it")
        elif judged_as is not None:
            judged.approximated.append(f"{path}: left out, since it is {judged_as}")
        elif not drop:
            raise unsupported(path, target)
        else:
            judged.dropped.append(path)
    if drop:
        _drop_foreign(prompt, target)
    return judged


def unsupported(path: str, target: Dialect) -> RequestError:
    """A field that the target's format cannot carry."""
    message = f"the target speaks the {target.value} format, which cannot carry {path}"
    return RequestError(errors.UNSUPPORTED_PARAMETER, message, param=path)


def used(prompt: Prompt, target: Dialect) -> Iterator[str]:
    """The names of all fields a request uses; some more than once."""
    for name in (
        "max_output",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "stop",
        "top_logprobs",
        "verbosity",
        "user",
        "tier",
        "metadata",
    ):
        if getattr(prompt, name) not in (None, []):
            yield name
    if prompt.max_output is None:
        yield "unbounded_output"
    if prompt.choices is not None and prompt.choices > 1:
        yield "choices"
    if prompt.logprobs:
        yield "logprobs"
    if prompt.parallel_calls is False:
        yield "serial_calls"
    if prompt.tool_choice is not None:
        yield _choice_field(prompt)
    if not prompt.tools and _calls(prompt.turns):
        yield "calls_without_tools"
    spoken = [
        turn.role
        for turn in prompt.turns
        if turn.role not in (Role.SYSTEM, Role.DEVELOPER) and any(_says(part) for part in turn.parts)
    ]
    if not spoken or spoken[0] is Role.ASSISTANT:
        yield "user_first"
    if prompt.form is not None and prompt.form.shape is not Shape.TEXT:
        yield "form_json" if prompt.form.shape is Shape.JSON else "form_schema"
    if (reasoning := prompt.reasoning) is not None:
        if reasoning.off:
            yield "thinking_off"
        elif reasoning.budget is not None:
            yield "thinking_budget"
        elif reasoning.effort is not None:
            yield "effort"
    for tool in prompt.tools or ():
        if isinstance(tool, ServerTool):
            yield tool.kind.value
        if isinstance(tool, Tool):
            yield "tools"
            if tool.strict is not None:
                yield "tool_strict"
            if tool.cache is not None:
                yield "cache_marker"
    if _document_alone(prompt.turns):
        yield "document_alone"
    if prompt.turns and all(turn.role in (Role.SYSTEM, Role.DEVELOPER) for turn in prompt.turns):
        yield "system_alone"
    yield from _in_turns(prompt.turns, target)


def _document_alone(turns: list[Turn]) -> bool:
    """Whether one side shows a document and says nothing with it, until the other side speaks."""
    spoken = (turn for turn in turns if turn.role not in (Role.SYSTEM, Role.DEVELOPER))
    for _, side in groupby(spoken, lambda turn: turn.role is Role.ASSISTANT):
        parts = [part for turn in side for part in turn.parts]
        shown = any(isinstance(part, Media) and part.kind is Kind.DOCUMENT for part in parts)
        if shown and not any(isinstance(part, Text) and part.text for part in parts):
            return True
    return False


def _choice_field(prompt: Prompt) -> str:
    """Which row the choice of tools is: some formats can only leave tools out, and only while unused."""
    if prompt.tool_choice is None or prompt.tool_choice.use is not ToolUse.NONE:
        return "tool_choice"
    return "tool_choice_none_midway" if _calls(prompt.turns) else "tool_choice_none"


def _calls(turns: list[Turn]) -> bool:
    return any(isinstance(part, Call | Result) for turn in turns for part in turn.parts)


def _says(part: Part) -> bool:
    return not isinstance(part, Text) or bool(part.text)


def _in_turns(turns: list[Turn], target: Dialect) -> Iterator[str]:
    begun = False
    for turn in turns:
        if turn.role is Role.DEVELOPER:
            yield "developer"
        if turn.role in (Role.SYSTEM, Role.DEVELOPER):
            if begun:
                yield "system_midway"
        else:
            begun = True
        if turn.name is not None:
            yield "participant"
        for part in turn.parts:
            yield from _in_part(part, target)


def _in_part(part: Part, target: Dialect) -> Iterator[str]:
    if getattr(part, "cache", None) is not None:
        yield "cache_marker"
    if isinstance(part, Media):
        yield _media(part)
        if part.kind is Kind.DOCUMENT:
            yield "document_name"
        if part.detail not in (None, "auto"):
            yield "image_detail"
    elif isinstance(part, Result):
        if part.failed:
            yield "result_failed"
        if any(isinstance(held, Media) for held in part.parts):
            yield "result_media"
        for held in part.parts:
            yield from _in_part(held, target)
    elif isinstance(part, Thought) and part.origin is not target:
        yield "foreign_thought"


def _media(part: Media) -> str:
    if part.data is not None:
        form = "data"
    elif part.url is not None:
        form = "url"
    elif part.file is not None:
        form = "file"
    else:
        form = "text"
    kind = Kind.DOCUMENT if form == "text" else part.kind
    return f"{kind.value}_{form}"


def foreign(prompt: Prompt, source: Dialect) -> Iterator[tuple[str, Own]]:
    """Paths of what only the source's dialect has, where it says anything."""
    yield from _members("", prompt.own)
    for tool in prompt.tools or ():
        if isinstance(tool, Foreign):
            yield f"tools of type {tool.what}", tool.own
        elif isinstance(tool, ServerTool):
            yield from _members(FIELDS[tool.kind.value].path(source) + ".", tool.own)
        else:
            yield from _members("tools.", tool.own)
    for name, held in (
        ("tool_choice", prompt.tool_choice),
        ("form_schema", prompt.form),
        ("effort", prompt.reasoning),
    ):
        if held is not None:
            path = FIELDS[name].path(source)
            if source is Dialect.RESPONSES and held is prompt.reasoning:
                path = path.partition(".")[0]  # its members stand beside the effort
            yield from _members(path + ".", held.own)
    for turn in prompt.turns:
        yield from _members("messages.", turn.own)
        for part in turn.parts:
            yield from _foreign_part(part)


def _foreign_part(part: Part) -> Iterator[tuple[str, Own]]:
    if isinstance(part, Foreign):
        yield part.what, part.own
        return
    if isinstance(part, Result):
        for held in part.parts:
            yield from _foreign_part(held)
    own = getattr(part, "own", None)
    if not isinstance(part, Thought):
        yield from _members("messages.content.", own)


_NOTHING: tuple[object, ...] = (None, [], {}, "", False)


def _members(path: str, own: Own | None) -> Iterator[tuple[str, Own]]:
    if own is not None:
        for name, value in own.members.items():
            if value not in _NOTHING and name not in UNSAID:
                yield path + name, own


UNSAID = frozenset(
    {"annotations", "audio", "caller", "citations", "id", "logprobs", "status", "phase", "thoughtSignature"}
)
"""Members of the model's own earlier answers that its next one does not depend on."""


_KINDS = frozenset(kind.value for kind in Kind)


def _drop(prompt: Prompt, name: str) -> None:
    """Take a field out of the request."""
    if name in ("serial_calls",):
        prompt.parallel_calls = None
    elif name in ("form_json", "form_schema"):
        prompt.form = None
    elif name in ("effort", "thinking_budget", "thinking_off"):
        prompt.reasoning = None
    elif name.startswith("tool_choice"):
        prompt.tool_choice = None
    elif name in frozenset(Service):
        kept = [one for one in prompt.tools or () if not (isinstance(one, ServerTool) and one.kind == name)]
        prompt.tools = kept or None
    elif name == "result_media":
        for turn in prompt.turns:
            for part in turn.parts:
                if isinstance(part, Result):
                    part.parts = [held for held in part.parts if not isinstance(held, Media)]
    elif name.partition("_")[0] in _KINDS:
        for turn in prompt.turns:
            turn.parts = [
                part for part in turn.parts if not (isinstance(part, Media) and _media(part) == name)
            ]
    else:
        setattr(prompt, name, None)


def _drop_foreign(prompt: Prompt, target: Dialect) -> None:
    """Take out parts and tools that only another dialect has."""
    if prompt.tools is not None:
        prompt.tools = [tool for tool in prompt.tools if not isinstance(tool, Foreign)] or None
    for turn in prompt.turns:
        turn.parts = [
            part for part in turn.parts if not isinstance(part, Foreign) or part.own.dialect is target
        ]
    prompt.turns = [turn for turn in prompt.turns if turn.parts]
