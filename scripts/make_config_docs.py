"""Writes the generated parts of docs/config.md: the table of keys and the table of providers.

Run after a change of config/schema.py or config/providers.py: `python scripts/make_config_docs.py`.
"""

from __future__ import annotations

from pathlib import Path

from baseload.config.providers import ENDPOINTS, RESPONSES
from baseload.config.published import key_table

DOCS = Path(__file__).resolve().parent.parent / "docs" / "config.md"


def generated() -> dict[str, str]:
    """Each generated part by its marker."""
    providers = [
        "| provider | url |",
        "|---|---|",
        *(f"| `{name}` | {url} |" for name, url in ENDPOINTS.items()),
    ]
    hosts = [
        "| provider | hosts |",
        "|---|---|",
        *(f"| `{name}` | {', '.join(f'`{host}`' for host in known)} |" for name, known in RESPONSES.items()),
    ]
    return {"keys": key_table(), "providers": "\n".join(providers), "responses": "\n".join(hosts)}


def renewed(text: str) -> str:
    """The page with every generated part as the code has it now."""
    for marker, part in generated().items():
        begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"docs/config.md has lost its marker {marker}"
        text = f"{before}{begin}{part}\n{end}{after}"
    return text


if __name__ == "__main__":
    DOCS.write_text(renewed(DOCS.read_text()))
