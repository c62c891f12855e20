"""Reading Google's objects: members in camelCase or snake_case, nested ones kept track of by their paths."""

from __future__ import annotations

from typing import TypeVar

from baseload.wire.dialects.nouns import Dialect, Json, Own
from baseload.wire.dialects.rest import Rest, wrong

T = TypeVar("T")
_GEMINI = Dialect.GEMINI
SNAKE = "snake"
"""In a spelling: the members (as they are called in camelCase) that were written in snake_case."""


def snake(name: str) -> str:
    """`maxOutputTokens` as `max_output_tokens`."""
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name)


def camel(name: str) -> str:
    """The reverse of `snake`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


class Held(Rest):
    """As `Rest`, for objects of Google: its endpoints take every member in snake_case too."""

    __slots__ = ()

    def __init__(self, value: object, where: str) -> None:
        super().__init__(value, _GEMINI, where)

    def take(self, name: str, kind: type[T] | tuple[type[T], ...]) -> T | None:
        """As `Rest.take`, by either spelling."""
        if name not in self.members:
            older = snake(name)
            if older in self.members:
                self._rename(older, name)
        return super().take(name, kind)

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self.members.get(name if name in self.members else snake(name)) is not None

    def nest(self, name: str) -> Held | None:
        """The object that the member is; `leave` it when it is read."""
        value = self.take(name, dict)
        return None if value is None else Held(value, self.path(name))

    def leave(self, inner: Held, name: str) -> None:
        """What nobody took of the nested object `name`: members by their path, its spelling by its name."""
        inner._name_all()
        for member, value in inner.members.items():
            self.members[f"{name}.{member}"] = value
        if inner.spelling:
            self.spelling[name] = inner.spelling

    def own(self) -> Own | None:
        """What was not taken, by its name in camelCase."""
        self._name_all()
        return super().own()

    def _name_all(self) -> None:
        for older in [name for name in self.members if "_" in name]:
            name = camel(older)
            if snake(name) == older and name not in self.members:
                self._rename(older, name)

    def _rename(self, older: str, name: str) -> None:
        self.members[name] = self.members.pop(older)
        self.spelling.setdefault(SNAKE, []).append(name)


def text_list(held: Held, name: str) -> list[str] | None:
    """A member that is a list of strings. Raises RequestError (invalid_field)."""
    value = held.take(name, list)
    if value is not None and not all(isinstance(one, str) for one in value):
        raise wrong(held.path(name), "must be a list of strings")
    return value


def put_back_as_read(target: Json, own: Own | None) -> Json:
    """`target` with the members that only this dialect has, all spelt as they came."""
    if own is None or own.dialect is not _GEMINI:
        return target
    for path, value in own.members.items():
        head, dot, tail = path.partition(".")
        if dot and isinstance(inner := target.setdefault(head, {}), dict):
            inner[tail] = value
        else:
            target[path] = value
    for name, spelling in own.spelling.items():
        if isinstance(spelling, dict) and isinstance(inner := target.get(name), dict):
            _respell(inner, spelling.get(SNAKE))
    _respell(target, own.spelling.get(SNAKE))
    return target


def _respell(target: Json, names: list[str] | None) -> None:
    for name in names or ():
        if name in target:
            target[snake(name)] = target.pop(name)
