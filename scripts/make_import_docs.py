"""Writes the generated parts of docs/importing.md: for each gateway, what becomes of its keys.

Run after a change of a gateway's rules in config/importing/: `python scripts/make_import_docs.py`. A test
compares the page with what this script makes of the code.
"""

from __future__ import annotations

from pathlib import Path

from baseload.config.importing import GATEWAYS, Rule

DOCS = Path(__file__).resolve().parent.parent / "docs" / "importing.md"
HEAD = "| key | becomes | where it is not carried, and what to do |\n|---|---|---|"


def row(rule: Rule) -> str:
    """One rule as a row: its keys, what they become, why not and what instead."""
    keys = ", ".join(f"`{key}`" for key in rule.keys)
    why = f"{rule.why}: {rule.do}" if rule.why and rule.do else rule.why or rule.do
    return f"| {keys} | {rule.becomes or 'not carried'} | {why} |"


def generated() -> dict[str, str]:
    """Each gateway's table by its marker."""
    return {word: "\n".join([HEAD, *map(row, gateway.rules)]) for word, gateway in GATEWAYS.items()}


def renewed(text: str) -> str:
    """The page with every table as the code has it now."""
    for marker, part in generated().items():
        begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"docs/importing.md has lost its marker {marker}"
        text = f"{before}{begin}{part}\n{end}{after}"
    return text


if __name__ == "__main__":
    DOCS.write_text(renewed(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
