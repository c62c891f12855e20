"""What an import speaks of: rules for another gateway's keys, what was carried, what was not, what to set."""

from __future__ import annotations

from typing import Any, NamedTuple

from baseload.config.document import PathIn, dotted


class Rule(NamedTuple):
    """What becomes of keys of another gateway's file.

    A key is a dotted path, `[]` for every item of a list and `*` for a free name; it stands for all that is
    below it. `becomes` names keys of baseload.yaml, or says what takes their place; where it is
    empty the keys are never carried. `why` says why not (of a carried key: where it is not, or not whole)
    and `do` what to do instead. `hidden`: what may stand below is not known, so that no text of it is shown.
    """

    keys: tuple[str, ...]
    becomes: str = ""
    why: str = ""
    do: str = ""
    hidden: bool = False


class Carried(NamedTuple):
    """One value of the other file and what it became, as a key of baseload.yaml or in words."""

    path: PathIn
    line: int
    value: str
    became: str

    @property
    def key(self) -> str:
        """The dotted path in the other file."""
        return dotted(self.path)


class NotCarried(NamedTuple):
    """One value of the other file that has no place in baseload.yaml; `value` never holds a secret."""

    path: PathIn
    line: int
    value: str
    why: str
    do: str = ""

    @property
    def key(self) -> str:
        """The dotted path in the other file."""
        return dotted(self.path)


class Variable(NamedTuple):
    """An environment variable that the made file refers to, what it stands for, and a value of its kind."""

    name: str
    what: str
    sample: str


class Imported(NamedTuple):
    """What came of a file: plain values of baseload.yaml, with where each target is from, and the lists.

    `config` without targets means that nothing in the file can be served.
    """

    gateway: str
    file: str
    config: dict[str, Any]
    origins: dict[str, str]
    carried: tuple[Carried, ...]
    not_carried: tuple[NotCarried, ...]
    variables: tuple[Variable, ...]
