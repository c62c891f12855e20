"""Coming from elsewhere: another gateway's configuration as a baseload.yaml, and a list of what has no place.

Pure: text in, result out. Every value of the other file is either carried or listed with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from baseload.config.importing import kong, litellm, openrouter, portkey
from baseload.config.importing.kong_keys import RULES as KONG_RULES
from baseload.config.importing.litellm_keys import RULES as LITELLM_RULES
from baseload.config.importing.nouns import Carried, Imported, NotCarried, Rule, Variable
from baseload.config.importing.openrouter_keys import RULES as OPENROUTER_RULES
from baseload.config.importing.portkey_keys import RULES as PORTKEY_RULES
from baseload.config.importing.source import Normal, tokens
from baseload.config.importing.writing import written


class Gateway(NamedTuple):
    """A gateway whose configuration is understood: its name, its rules, the reading of
    its file, and how rules name the paths in it."""

    name: str
    file: str
    rules: tuple[Rule, ...]
    imported: Callable[[str, str], Imported]
    normal: Normal = tokens


GATEWAYS = {
    "litellm": Gateway("LiteLLM", "config.yaml", LITELLM_RULES, litellm.imported),
    "portkey": Gateway("Portkey", "config.json", PORTKEY_RULES, portkey.imported, portkey.normal),
    "kong": Gateway("Kong", "kong.yaml", KONG_RULES, kong.imported, kong.normal),
    "openrouter": Gateway("OpenRouter", "defaults.json", OPENROUTER_RULES, openrouter.imported),
}
"""Every gateway by the word that the command takes."""


def import_text(gateway: str, text: str, file: str) -> Imported:
    """What a file of this gateway becomes; `file` is its name in messages.

    Raises ConfigError with file, line and key where the file is broken.
    """
    return GATEWAYS[gateway].imported(text, file)


__all__ = [
    "GATEWAYS",
    "Carried",
    "Gateway",
    "Imported",
    "NotCarried",
    "Rule",
    "Variable",
    "import_text",
    "written",
]
