"""How other gateways write a secret, and how a value of theirs is shown without one."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

HIDDEN = "(hidden)"
SHOWN = 60
"""Characters of a value that are shown."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCES = (
    re.compile(rf"os\.environ/({_NAME})"),
    re.compile(rf"\$\{{({_NAME})\}}"),
    re.compile(rf"\$({_NAME})"),
    re.compile(rf"\$\{{\{{ *env +[\"']({_NAME})[\"'] *\}}\}}"),
)
_VAULT = re.compile(r"\{vault://([a-z0-9_-]+)/([^}]+)\}")
_SECRET_KEY = re.compile(
    r"key(?!_header|_name)|token(?!s|_count|_cost|_limit|_rate|_above|izer)|secret|passw|passphrase|credential|auth(?!_type|_mode|or)"
    r"|header(?!_name)|bearer|cookie|license|webhook|database_url|redis_url|connection|private|certificate|dsn|salt"
    r"|param_value|service_account|session_id|session_token|variables|signature",
    re.IGNORECASE,
)
SECRET_SECTION = re.compile(r"headers?$|variables$|credentials?$|service_account_json|webhook", re.IGNORECASE)
"""Sections in which every text is a secret."""
_SECRET_PREFIX = re.compile(
    r"^(?:sk|pk|rk|gsk|xai|hf|ghp|AKIA|ASIA|AIza|eyJ|pplx|r8|lsv2|vk|pc)[-_A-Za-z0-9]{6,}|^Bearer |^Basic "
    r"|-----BEGIN"
)
_SECRET_LONG = re.compile(r"^(?=[^ ]*[0-9])(?=[^ ]*[A-Za-z])[A-Za-z0-9+/=_-]{24,}$")
_MODEL_KEY = re.compile(r"(^|\.)(models?|model_name|base_model|name|then|default|route_type)$")
"""Keys whose text is a name of a model, a target or a path."""
_RANDOM = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+=]{20,}")


class Reference(NamedTuple):
    """What a text of theirs refers to: the variable's name, and whether that name is ours."""

    name: str
    invented: bool = False


def reference(text: str) -> Reference | None:
    """The environment variable that this whole text refers to; None for a plain text.

    Kong's `{vault://env/my-key}` is the variable MY_KEY; what other vaults hold gets a name of ours.
    """
    for pattern in _REFERENCES:
        if found := pattern.fullmatch(text.strip()):
            return Reference(found[1])
    if found := _VAULT.fullmatch(text.strip()):
        name = variable_name(found[2])
        return Reference(name) if found[1] == "env" else Reference(f"{variable_name(found[1])}_{name}", True)
    return None


def replaced(text: str) -> str:
    """The text with every reference of theirs written as `${NAME}`."""
    if found := reference(text):
        return f"${{{found.name}}}"
    for pattern in (_REFERENCES[0], _REFERENCES[3]):
        text = pattern.sub(lambda match: f"${{{match[1]}}}", text)
    return text


def variable_name(*words: str) -> str:
    """An environment variable's name made of words."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(filter(None, words))).strip("_").upper()
    return f"_{name}" if name[:1].isdigit() else name or "VALUE"


def looks_secret(text: str) -> bool:
    """Whether a text has the form of a key, whatever its name says."""
    return bool(_SECRET_PREFIX.search(text) or _SECRET_LONG.search(text))


def shown(key: str, value: Any, *, known: bool) -> str:
    """A value as lists may show it. Texts are hidden where their key or they themselves look secret.

    The text of a key that is not known is always hidden, since nobody knows what it is.
    """
    if isinstance(value, dict):
        return "{}" if not value else HIDDEN
    if isinstance(value, list):
        return f"[{', '.join(shown(key, item, known=known) for item in value)}]"[:SHOWN]
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return HIDDEN if _SECRET_KEY.search(key) and value > 9999 else str(value)
    return _text(key, str(value), known)


def _text(key: str, text: str, known: bool) -> str:
    if reference(text):
        return text
    if not known or _SECRET_KEY.search(key) or _looks_secret_at(key, text) or not text.isprintable():
        return HIDDEN
    if "://" in text:
        return _address(text)
    return text[:SHOWN]


def _looks_secret_at(key: str, text: str) -> bool:
    """By a known prefix; by its length and mixture too, but for a model's name without a random run in it."""
    if _SECRET_PREFIX.search(text):
        return True
    name = _MODEL_KEY.search(key) and not _RANDOM.search(text)
    return not name and _SECRET_LONG.search(text) is not None


def _address(text: str) -> str:
    """A URL without user, password and query."""
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return HIDDEN
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"[:SHOWN]
