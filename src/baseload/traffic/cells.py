"""Numbers from the cells of a file, read strictly: what is doubtful is a bad row, not a guess."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"[+-]?(\d+)(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
_MAX_DIGITS = 30


def number(value: object) -> int | float | None:
    """A finite number, or the one a text spells in plain decimals; None for anything else.

    Python's own `float` would also take `1_000`, `nan` and the digits of every script.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if value.isdecimal() and value.isascii() and len(value) <= _MAX_DIGITS:
            return int(value)  # nearly every cell
        match = _NUMBER.fullmatch(value.strip())
        if match is None or len(match[1]) > _MAX_DIGITS:
            return None
        value = float(match[0]) if match[2] or match[3] else int(match[0])
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return None


def whole(name: str, value: object) -> int:
    """A whole number: an int, a float without fraction (as pandas writes them), or text of either.

    Raises ValueError with the column's name.
    """
    found = number(value)
    if isinstance(found, int):
        return found
    if value is None or value == "":
        raise ValueError(f"{name} is empty")
    if found is None or not found.is_integer():
        raise ValueError(f"{name} is {short(value)}, no whole number of tokens")
    return int(found)


def short(value: object) -> str:
    """A value as it is shown in an error: quoted, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
