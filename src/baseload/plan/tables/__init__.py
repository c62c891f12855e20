"""The tables of a plan, each made once: page, Markdown and terminal show these very cells."""

from __future__ import annotations

from baseload.plan.tables.table import Cell, Row, Table

__all__ = ["Cell", "Row", "Table"]
