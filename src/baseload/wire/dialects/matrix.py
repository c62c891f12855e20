"""What each dialect can say: every field of a request, carried, approximated (and how) or refused.

The table is the rule: `judge` refuses by it, the writers rely on it, docs/translation.md is made from it, and
a test writes every field in every dialect and compares. A field that a target cannot carry is refused before
anything is sent, by the name its sender knows; `drop` leaves it out instead and says so.
"""

from __future__ import annotations

from baseload.wire.dialects.field import Field
from baseload.wire.dialects.nouns import Dialect

_OUT = "~: left out"
_AS_OFTEN = "left out, since the target searches as often as it sees fit"
SUPPLIED = "Continue."
"""What a user is made to say where a format wants a user's turn first and the conversation has none there."""
SHOWN = "(shown below)"
"""What a tool's result says in place of a picture that it cannot hold."""
_BY_URL = "~fileData: the URL's ending tells no media type, so that it is taken for"
_ONE_CALL = "calls after the first are left out of the answer"
_LIMITS = "what Claude's schemas do not take (minimum, say) is said in descriptions, objects are closed"
JSON_ASKED = "Answer with one JSON object and nothing else."
"""What the system text ends with where a format has no JSON mode."""
_IN_WORDS = "asked for in words, which the model may not heed"
_WORD = "the nearest word that the model knows"
_ENOUGH = "the least effort whose budget (EFFORTS) is enough"
_BY_DEFAULT = "left to the model"
_LEAST = "the least that the model can, where it cannot be told not to"
_NOT_CLAUDE = (
    "left out where a Claude is made to call, its answer leaves no room, or its name says no version"
)

_CLAUDE_SAMPLES = (
    "left out where Claude thinks (a top_p from 0.95 on is not), always from 4.7 on, and a top_p beside a "
    "temperature from 4.1 on"
)
_UNSAMPLED = tuple(
    Field(
        f"{name}_unsampled",
        f"~{name}: left out to OpenAI's reasoning models",
        f"~{name}: left out to OpenAI's reasoning models",
        f"~{name}: {_CLAUDE_SAMPLES}",
        f"generationConfig.{camel}",
        f"~{path}: {_CLAUDE_SAMPLES}",
    )
    for name, camel, path in (
        ("temperature", "temperature", "inferenceConfig.temperature"),
        ("top_p", "topP", "inferenceConfig.topP"),
        ("top_k", "topK", "additionalModelRequestFields.top_k"),
    )
)
"""What chooses among words, at models that do not take it (`thinking.unsampled`)."""

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
            "temperature",
            "generationConfig.temperature",
            "inferenceConfig.temperature",
        ),
        Field(
            "temperature_above_one",
            "temperature",
            "temperature",
            "~temperature: sent as 1",
            "generationConfig.temperature",
            "~inferenceConfig.temperature: sent as 1",
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
        *_UNSAMPLED,
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
            f"~parallel calls: {_ONE_CALL}",
            f"~parallel calls: {_ONE_CALL}; Claude is told besides, where no tool is forced",
        ),
        Field(
            "web_search",
            "web_search_options",
            "tools.web_search",
            "tools.web_search",
            "tools.googleSearch",
            "",
            extended={Dialect.CHAT: "tools of type openrouter:web_search"},
        ),
        Field(
            "web_search_allowed",
            "",
            "tools.web_search.filters.allowed_domains",
            "tools.web_search.allowed_domains",
            "",
            "",
            extended={Dialect.CHAT: "tools.parameters.allowed_domains"},
        ),
        Field(
            "web_search_blocked",
            "",
            "",
            "tools.web_search.blocked_domains",
            "",
            "",
            extended={Dialect.CHAT: "tools.parameters.excluded_domains"},
        ),
        Field(
            "web_search_location",
            "web_search_options.user_location",
            "tools.web_search.user_location",
            "tools.web_search.user_location",
            _OUT,
            "",
            extended={Dialect.CHAT: "tools.parameters.user_location"},
        ),
        Field(
            "web_search_uses",
            f"~: {_AS_OFTEN}",
            f"~: {_AS_OFTEN}",
            "tools.web_search.max_uses",
            f"~: {_AS_OFTEN}",
            "",
            extended={Dialect.CHAT: "tools.parameters.max_uses"},
        ),
        Field("web_fetch", "", "", "tools.web_fetch", "tools.urlContext", ""),
        Field(
            "code_execution", "", "tools.code_interpreter", "tools.code_execution", "tools.codeExecution", ""
        ),
        # form of the answer
        Field(
            "form_json",
            "response_format",
            "text.format",
            f"~system: {_IN_WORDS}",
            "generationConfig.responseMimeType",
            f"~system: {_IN_WORDS}",
        ),
        Field(
            "form_schema",
            "response_format",
            "text.format",
            "output_config.format",
            "generationConfig.responseJsonSchema",
            "outputConfig.textFormat",
        ),
        Field(
            "form_words",
            "response_format",
            "text.format",
            "~output_config.format: name, description and strict are left out",
            "~generationConfig.responseJsonSchema: name, description and strict are left out",
            "~outputConfig.textFormat: strict is left out",
        ),
        Field(
            "schema_limits",
            "response_format",
            "text.format",
            f"~output_config.format: {_LIMITS}",
            "generationConfig.responseJsonSchema",
            f"~outputConfig.textFormat: to Claude {_LIMITS}",
        ),
        Field(
            "tool_schema_limits",
            "tools.function.parameters",
            "tools.parameters",
            f"~tools.input_schema: {_LIMITS}, of strict tools",
            "tools.functionDeclarations.parametersJsonSchema",
            f"~toolConfig.tools.toolSpec.inputSchema: to Claude {_LIMITS}, of strict tools",
        ),
        Field("verbosity", "verbosity", "text.verbosity", _OUT, _OUT, _OUT),
        # reasoning
        Field(
            "effort",
            f"~reasoning_effort: {_WORD}",
            f"~reasoning.effort: {_WORD}",
            f"~output_config.effort: {_WORD}, or a budget (EFFORTS); {_NOT_CLAUDE}",
            f"~generationConfig.thinkingConfig: {_WORD} as thinkingLevel, or a budget (EFFORTS)",
            f"~outputConfig.effort: {_WORD}, or a budget (EFFORTS) to Claude; {_NOT_CLAUDE}",
        ),
        Field(
            "thinking_budget",
            f"~reasoning_effort: {_ENOUGH}",
            f"~reasoning.effort: {_ENOUGH}",
            f"~thinking.budget_tokens: the nearest that the model takes, or {_ENOUGH}; {_NOT_CLAUDE}",
            f"~generationConfig.thinkingConfig: the nearest that the model takes, or {_ENOUGH}",
            f"~additionalModelRequestFields: the nearest that the model takes, or {_ENOUGH}; {_NOT_CLAUDE}",
        ),
        Field(
            "thinking_dynamic",
            f"~reasoning_effort: {_BY_DEFAULT}",
            f"~reasoning.effort: {_BY_DEFAULT}",
            f"~thinking: the budget of medium to a Claude before 4.6; {_NOT_CLAUDE}",
            f"~generationConfig.thinkingConfig.thinkingBudget: {_BY_DEFAULT} where the model takes no budget",
            f"~additionalModelRequestFields: the budget of medium to a Claude before 4.6; {_NOT_CLAUDE}",
        ),
        Field(
            "thinking_off",
            f"~reasoning_effort: {_LEAST}",
            f"~reasoning.effort: {_LEAST}",
            "~thinking: left out where the name says no version",
            f"~generationConfig.thinkingConfig: {_LEAST}",
            f"~additionalModelRequestFields: {_LEAST}; left out to others than Claude, Nova and gpt-oss",
        ),
        # who asks
        Field("user", "user", "user", "metadata.user_id", _OUT, _OUT),
        Field(
            "user_long",
            "~user: above 64 characters its SHA-256 in hexadecimal",
            "~user: above 64 characters its SHA-256 in hexadecimal",
            "~metadata.user_id: above 256 characters its SHA-256 in hexadecimal",
            _OUT,
            _OUT,
        ),
        Field("tier", "service_tier", "service_tier", "service_tier", _OUT, "serviceTier"),
        Field(
            "tier_unknown",
            "~service_tier: standard_only is sent as default",
            "~service_tier: standard_only is sent as default",
            "~service_tier: default is sent as standard_only, any other is left out",
            _OUT,
            "~serviceTier: standard_only is sent as default, any other is left out",
        ),
        Field("metadata", "metadata", "metadata", _OUT, _OUT, "requestMetadata"),
        Field(
            "metadata_unfit",
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
        Field(
            "nothing_said",
            "messages",
            "input",
            f"~messages: the user is made to say {SUPPLIED!r}, since this format needs a turn",
            "contents",
            f"~messages: the user is made to say {SUPPLIED!r}, since this format needs a turn",
        ),
        Field("participant", "messages.name", _OUT, _OUT, _OUT, _OUT),
        Field(
            "cache_marker",
            "~cache_control: left out",
            "~prompt_cache_breakpoint: left out",
            "cache_control",
            _OUT,
            "cachePoint",
        ),
        Field(
            "foreign_thought",
            "~messages.reasoning_content: its text alone",
            "~input.reasoning: left out",
            "~messages.content.thinking: left out",
            "~contents.parts.thought: left out",
            "~messages.content.reasoningContent: left out",
        ),
        Field(
            "call_unsigned",
            "messages.tool_calls",
            "input.function_call",
            "messages.content.tool_use",
            "~contents.parts.thoughtSignature: a call of another model is marked as such "
            "(skip_thought_signature_validator)",
            "messages.content.toolUse",
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
        Field("image_url", "image_url", "input_image", "image.source.url", "fileData", ""),
        Field(
            "image_url_untyped", "image_url", "input_image", "image.source.url", f"{_BY_URL} image/jpeg", ""
        ),
        Field(
            "image_file",
            "",
            "input_image.file_id",
            "image.source.file",
            "fileData",
            "",
            among=frozenset(),
        ),
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
            "document_text_name",
            _OUT,
            _OUT,
            "document.title",
            _OUT,
            "document.name",
        ),
        Field(
            "document_name",
            "file.filename",
            "input_file.filename",
            "document.title",
            "~inlineData.displayName: left out",
            "document.name",
        ),
        Field(
            "document_name_unfit",
            "file.filename",
            "input_file.filename",
            "document.title",
            "inlineData.displayName",
            "~document.name: in the characters that AWS takes, each once, without the ending of its format",
        ),
        Field(
            "document_alone",
            "messages.content",
            "input.content",
            "messages.content",
            "contents.parts",
            f"~messages.content: the user is made to say {SUPPLIED!r} with it, since it must have words",
        ),
        Field("document_url", "", "input_file.file_url", "document.source.url", "fileData", ""),
        Field(
            "document_url_untyped",
            "",
            "input_file.file_url",
            "document.source.url",
            f"{_BY_URL} application/pdf",
            "",
        ),
        Field(
            "document_file",
            "file.file_id",
            "input_file.file_id",
            "document.source.file",
            "fileData",
            "",
            among=frozenset({Dialect.CHAT, Dialect.RESPONSES}),
        ),
        Field("audio_data", "input_audio", "", "", "inlineData", "audio.source.bytes"),
        Field("audio_url", "", "", "", "fileData", ""),
        Field("audio_file", "", "", "", "fileData", "", among=frozenset()),
        Field("video_data", "", "", "", "inlineData", "video.source.bytes"),
        Field("video_url", "", "", "", "fileData", ""),
        Field("video_file", "", "", "", "fileData", "", among=frozenset()),
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
            f"~messages.content: shown by the user after the results, which say {SHOWN!r} in its place",
            "function_call_output.output",
            "tool_result.content",
            "functionResponse.parts",
            "toolResult.content",
        ),
    )
}
