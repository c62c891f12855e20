"""Writes the generated parts of docs/http.md from the table of cases and the limits' defaults.

Run after a change of either, from the repository's root: `python -m tests.gateway.http.page`.
"""

from __future__ import annotations

from pathlib import Path

from baseload.gateway.server import PortLimits
from tests.gateway.http.cases import CASES, SECTIONS, Case

PAGE = Path(__file__).resolve().parents[3] / "docs" / "http.md"

LIMITS = {
    "head_s": ("header_deadline", "a head, from its first byte", "408, closed"),
    "body_s": ("body_deadline", "a body, from its head; a second more per 64 KiB received", "408, closed"),
    "idle_s": ("keep_alive", "a connection between requests", "closed"),
    "stall_s": ("stall_deadline", "a client that reads nothing of what waits for it", "cut"),
    "drain_s": ("drain_deadline", "running requests when the gateway stops", "cut"),
    "body_bytes": ("body", "a body; on paths that are no model calls 64 KiB", "413, closed"),
    "upload_bytes": ("upload", "a form that passes through as it comes (docs/passthrough.md)", "413, closed"),
    "bodies_bytes": ("bodies", "bodies of all requests under way, small ones left out", "503, closed"),
    "connections": ("connections", "client connections at once", "an idle one is closed, else 503"),
}
"""Of `PortLimits`: the configuration's key under `http`, what it holds to its limit, what happens then."""


def generated() -> dict[str, str]:
    """Each generated part by its marker."""
    limits = PortLimits()
    rows = [
        f"| `http.{key}` | {what} | {_value(name, getattr(limits, name))} | {then} |"
        for name, (key, what, then) in LIMITS.items()
    ]
    head = ["| key | holds | default | beyond it |", "|---|---|---|---|"]
    sections = [f"### {title}\n\n{_table(cases)}" for title, cases in SECTIONS.items()]
    return {
        "count": f"{len(CASES)} cases.",
        "limits": "\n".join([*head, *rows]),
        "cases": "\n\n".join(sections),
    }


def _table(cases: list[Case]) -> str:
    rows = ["| sent | clause | answer | connection |", "|---|---|---|---|"]
    for case in cases:
        answer = f"{case.status}, reaches a target" if case.seen else str(case.status)
        clause = case.clause if case.clause.startswith("RFC") else f"RFC 9112 {case.clause}"
        rows.append(f"| {case.name} | {clause} | {answer} | {'kept' if case.kept else 'closed'} |")
    return "\n".join(rows)


def _value(name: str, value: float) -> str:
    if name.endswith("_s"):
        return f"{value:g} s"
    return f"{value >> 20} MiB" if name.endswith("_bytes") and isinstance(value, int) else f"{value:,}"


def renewed(text: str) -> str:
    """The page with every generated part as the table has it now."""
    for marker, part in generated().items():
        begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
        before, found, rest = text.partition(begin)
        assert found, f"docs/http.md has lost its marker {marker}"
        _, found, after = rest.partition(end)
        assert found, f"docs/http.md has lost its marker {marker}"
        text = f"{before}{begin}{part}\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
