"""The tables of a plan on a terminal."""

from __future__ import annotations

from rich.table import Table


def table(title: str, *columns: tuple[str, str]) -> Table:
    """A table without vertical lines; columns are (heading, "left" or "right")."""
    made = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for heading, side in columns:
        made.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    return made
