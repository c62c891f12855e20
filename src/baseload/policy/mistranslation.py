"""Whether a target refuses a field, or its shape, rather than what the client says in it.

A request that was translated holds fields of this gateway's writing: a target that does not know one of them
refuses what its client never wrote. Providers tell such refusals apart by a code (OpenAI) or in words alone
(Anthropic, Google, Amazon, and the validators of engines: pydantic, serde, Go's).
"""

from __future__ import annotations

import re

_CODES = frozenset(
    {
        "extra_forbidden",
        "invalid_type",
        "missing_required_parameter",
        "unknown_parameter",
        "unrecognized_parameter",
        "unsupported_parameter",
        "unsupported_value",
    }
)
_WORDS = re.compile(
    "|".join(
        (
            r"\b(unknown|unsupported|unrecognized) (parameter|value:|request argument|name|field|variant)",
            r"\bextra inputs are not permitted",  # pydantic: Anthropic, vLLM, Mistral
            r"\bextra_forbidden\b",
            r"\badditional properties are not allowed",
            r"\bextraneous key\b",  # Bedrock
            r"\bmalformed input request",
            r"\binvalid json payload received",  # Google
            r"\binvalid value at '",
            r"\bcannot find field\b",
            r"\b(doesn't|does not) support the\b",
            r"\b(is|are)? ?not supported (with|by|on|for|in) this model",
            r"\bproperty '[^']*' is unsupported",  # Groq
            r"\bfield required\b",
            r"\binput should be\b",
            r"\binput tag\b",
            r"\bfailed to deserialize\b",  # serde: TGI
            r"\bunexpected keyword argument",
        )
    )
)
_RANGE = re.compile(r"\b(greater|less) than\b|\b(at least|at most)\b|\bminimum\b|\bmaximum\b")
"""What such a validator says of a value that is out of range: the client's own."""


def refuses_a_field(status: int, codes: set[str], message: str) -> bool:
    """Whether a translated request was refused for a field that the target does not know, or knows otherwise.

    `codes` and `message` in lower case. A value out of range is the client's own mistake.
    """
    if status not in (400, 422):
        return False
    if codes & _CODES:
        return True
    return _WORDS.search(message) is not None and _RANGE.search(message) is None


_NAMED = (
    re.compile(r"^([\w.\[\]-]+): "),  # Anthropic: `tools.0.custom.strict: Extra inputs are not permitted`
    re.compile(r"'loc': \(([^)]*)\)"),  # pydantic's own list of errors, as vLLM tells it
    re.compile(r"\b(?:argument supplied: |support the )([\w.\[\]-]+)"),  # OpenAI of old, Bedrock
    re.compile(r"[`'\"\[]([\w.\[\]-]+)[`'\"\]]"),
)
MAX_NAME = 100
"""Letters of a field's name in a log line; clients may have chosen it."""


def field_named(param: str | None, message: str) -> str:
    """The field that an error names, for the log; empty where it names none."""
    name = param
    if not name:
        found = next(filter(None, (pattern.search(message[:2000]) for pattern in _NAMED)), None)
        name = found[1].replace(", ", ".") if found is not None else ""
    return re.sub(r"[^\w.\[\]-]", "", name, flags=re.ASCII)[:MAX_NAME]
