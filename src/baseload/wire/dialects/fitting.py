"""Values as a dialect takes them: tiers, users, ids of calls, schemas. What fits stays as it is.

Sources, read November 2026: Anthropic's references of messages and of structured outputs, and the schemas
that its Python SDK makes; OpenAI's reference of chat completions; refusals that users reported
(bifrost#1000 and #5097, req_llm#302).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any, NamedTuple

from baseload.wire.dialects.nouns import Dialect, Json

TIERS: dict[Dialect, dict[str, str | None]] = {
    Dialect.CHAT: {"standard_only": "default"},
    Dialect.RESPONSES: {"standard_only": "default"},
    Dialect.MESSAGES: {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"},
    Dialect.CONVERSE: {
        "default": "default",
        "flex": "flex",
        "priority": "priority",
        "standard_only": "default",
    },
    Dialect.GEMINI: {},
}
"""What a service tier is called in each dialect; another word is left out, by chat and responses kept."""


def tier_of(tier: str | None, dialect: Dialect) -> str | None:
    """The word of a dialect for a tier; None where it has none."""
    if tier is None:
        return None
    return TIERS[dialect].get(tier, tier if dialect in (Dialect.CHAT, Dialect.RESPONSES) else None)


LONGEST_USER = {Dialect.CHAT: 64, Dialect.RESPONSES: 64, Dialect.MESSAGES: 256}
"""Characters that a user's name may have. OpenAI refuses longer ones (bifrost#1000), Anthropic says 256."""


def user_of(user: str | None, dialect: Dialect) -> str | None:
    """A user's name as a dialect takes it: a longer one hashed, so that it stays one user."""
    if user is None or len(user) <= LONGEST_USER.get(dialect, len(user)):
        return user
    return hashlib.sha256(user.encode(errors="surrogatepass")).hexdigest()


# -- ids of calls -------------------------------------------------------------------------------------------


class Ids(NamedTuple):
    """The ids of calls that a dialect takes. `mark`: how those begin that are coded; `hashed`: in short."""

    fits: re.Pattern[str]
    longest: int
    mark: str
    hashed: str


IDS = {
    Dialect.CHAT: Ids(re.compile(r".{0,40}", re.DOTALL), 40, "bl_", "bl_"),
    Dialect.RESPONSES: Ids(re.compile(r".{1,64}", re.DOTALL), 64, "bl_", "bl_"),
    Dialect.MESSAGES: Ids(re.compile(r"[a-zA-Z0-9_-]{1,128}"), 128, "bl_", "bl_"),
    Dialect.CONVERSE: Ids(re.compile(r"[a-zA-Z0-9_.:-]{1,64}"), 64, "bl:", "bl:."),
}
"""OpenAI takes 40 characters (64 in responses), Anthropic and Amazon fewer kinds; Google takes all."""


def id_of(identity: str, dialect: Dialect) -> str:
    """The id of a call as a dialect takes it: one that does not fit is coded, or hashed where it is too long.

    A call and its result are renamed alike, and nothing else goes by the id.
    """
    ids = IDS.get(dialect)
    if ids is None or ids.fits.fullmatch(identity):
        return identity
    raw = identity.encode(errors="surrogatepass")
    coded = ids.mark + base64.urlsafe_b64encode(raw).decode().rstrip("=")
    if len(coded) <= ids.longest:
        return coded
    return ids.hashed + hashlib.sha256(raw).hexdigest()[: ids.longest - 8]


def id_from(identity: str, dialect: Dialect) -> str:
    """The id that `id_of` coded; any other as it is, one that was hashed too."""
    mark = IDS[dialect].mark
    coded = identity.removeprefix(mark)
    if coded == identity:
        return identity
    try:
        plain = base64.b64decode(coded + "=" * (-len(coded) % 4), b"-_").decode(errors="surrogatepass")
    except (binascii.Error, UnicodeDecodeError):
        return identity
    return plain if id_of(plain, dialect) == identity else identity


# -- schemas ------------------------------------------------------------------------------------------------


def object_schema(schema: Json | None) -> Json:
    """A tool's parameters as Anthropic and Amazon want them: a schema of an object, said so."""
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if "type" in schema else {"type": "object", **schema}


_KEPT = frozenset({"type", "description", "title", "enum", "const", "default", "$ref", "required"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_WITHIN = ("properties", "$defs", "definitions")
_LISTS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}


def claude_schema(schema: Json) -> Json:
    """A schema in the keywords that Claude's structured outputs take; the rest is said in descriptions.

    Objects are closed, `oneOf` becomes `anyOf`.
    """
    made: Json = {}
    said: Json = {}
    for name, value in schema.items():
        if name in _WITHIN and isinstance(value, dict):
            made[name] = {key: _inner(one) for key, one in value.items()}
        elif name in _LISTS and isinstance(value, list):
            made[_LISTS[name]] = [_inner(one) for one in value]
        elif name == "items":
            made[name] = _inner(value)
        elif name in _KEPT or _taken(name, value):
            made[name] = value
        elif name != "$schema" and (name != "additionalProperties" or not isinstance(value, bool)):
            said[name] = value
    if made.get("type") == "object" or "properties" in made:
        made["additionalProperties"] = False
    if said:
        words = json.dumps(said, ensure_ascii=False)
        made["description"] = f"{made['description']} {words}" if made.get("description") else words
    return made


def _inner(value: Any) -> Any:
    return claude_schema(value) if isinstance(value, dict) else value


def _taken(name: str, value: object) -> bool:
    return (name == "format" and value in _FORMATS) or (name == "minItems" and value in (0, 1))
