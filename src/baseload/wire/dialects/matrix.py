"""What each dialect can say: every field of a request, carried, approximated (and how) or refused.

The table is the rule: `judge` refuses by it, the writers rely on it, docs/translation.md is made from it, and
a test writes every field in every dialect and compares. A field that a target cannot carry is refused before
anything is sent, by the name its sender knows; `drop` leaves it out instead and says so.
"""

from __future__ import annotations

from msgspec import Struct

from baseload.wire.dialects.nouns import Dialect


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
        "projectIdentifier": "the provider's own accounting",
        "serviceTier": "the provider's own service tier",
        "additionalModelResponseFieldPaths": "extra members of the answer",
    },
}
"""Members of one dialect alone that change nothing of what is answered: left out elsewhere, and why."""

_WHOLE = "it keeps no answers: send the whole conversation as input"
STATEFUL: dict[Dialect, dict[str, str]] = {
    Dialect.RESPONSES: {
        "previous_response_id": _WHOLE,
        "conversation": _WHOLE,
        "item_reference": _WHOLE,
        "prompt": "it keeps no prompts: send instructions and input",
        "background": "it answers while the client waits",
    },
}
"""Members that go on from what a provider keeps, and why another dialect's target cannot: never left out."""
