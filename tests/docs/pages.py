"""Reading Markdown tables of the pages."""

from __future__ import annotations

import re


def rows(page: str, header: str) -> list[list[str]]:
    """The cells of every table whose header row begins with these columns."""
    found = []
    pattern = rf"^\| {re.escape(header)} \|.*\n\|[-|]+\|\n((?:\|.*\n?)*)"
    for table in re.findall(pattern, page, re.MULTILINE):
        for line in table.splitlines():
            cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
            found.append([cell.strip() for cell in cells])
    return found


def plain(cell: str) -> str:
    """A cell without the backticks around it."""
    return cell.strip("`")
