"""Writes the generated parts of docs/config.md: the table of keys and the table of providers.

Run after a change of config/schema.py or config/providers.py: `python scripts/make_config_docs.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

from baseload.config.providers import ENDPOINTS
from baseload.config.published import key_table

DOCS = Path(__file__).resolve().parent.parent / "docs" / "config.md"


def generated() -> dict[str, str]:
    """Each generated part by its marker."""
    providers = [
        "| provider | url |",
        "|---|---|",
        *(f"| `{name}` | {url} |" for name, url in ENDPOINTS.items()),
    ]
    return {"keys": key_table(), "providers": "\n".join(providers)}


def renewed(text: str) -> str:
    """The page with every generated part as the code has it now."""
    for marker, part in generated().items():
        pattern = re.compile(f"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
        text, found = pattern.subn(lambda match, part=part: f"{match[1]}{part}\n{match[2]}", text)
        assert found == 1, marker
    return text


if __name__ == "__main__":
    DOCS.write_text(renewed(DOCS.read_text()))
