"""One row of what each dialect can say."""

from __future__ import annotations

from msgspec import Struct

from baseload.wire.dialects.nouns import Dialect


class Field(Struct, frozen=True):
    """One thing a request can say, and its name in each dialect.

    "" is refused; "~NAME: HOW" is approximated, NAME left out where it has none of its own. `only`: a dialect
    that says it for some models alone, and what the names of these hold one of. `among`: the dialects that
    understand each other here, where not all do. `extended`: its name where it is said in the way
    of compatible servers, which is read and never written.
    """

    name: str
    chat: str
    responses: str
    messages: str
    gemini: str
    converse: str
    only: dict[Dialect, tuple[str, ...]] = {}
    among: frozenset[Dialect] | None = None
    extended: dict[Dialect, str] = {}

    def says(self, dialect: Dialect) -> str:
        """The cell of a dialect."""
        return str(getattr(self, dialect.value))

    def path(self, dialect: Dialect, *, extended: bool = False) -> str:
        """What a client of this dialect calls the field; `extended`: one of compatible servers."""
        said = self.says(dialect).removeprefix("~").partition(":")[0] or self.name
        return self.extended.get(dialect, said) if extended else said

    def known(self, source: Dialect, target: Dialect) -> bool:
        """Whether the target understands what the source means by it."""
        return self.among is None or {source, target} <= self.among

    def carried(self, dialect: Dialect) -> bool:
        """Whether the dialect says exactly this."""
        return bool(self.says(dialect)) and not self.says(dialect).startswith("~")

    def open_to(self, dialect: Dialect, model: str) -> bool:
        """Whether a model of this name can be told, where the dialect makes a difference between models."""
        words = self.only.get(dialect)
        return words is None or any(word in model.lower() for word in words)

    def approximated(self, dialect: Dialect) -> str:
        """How the dialect says it nearly; empty where it carries or refuses it."""
        said = self.says(dialect)
        return said.partition(":")[2].strip() if said.startswith("~") else ""
