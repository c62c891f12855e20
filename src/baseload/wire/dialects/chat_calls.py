"""The tool calls of a streamed chat completion, told one after the other however the server mixes them."""

from __future__ import annotations

import msgspec

from baseload.wire.dialects.nouns import Added, Call, Closed, Event, Json, Opened


class Calls:
    """A choice's calls, of which one is open at a time.

    Servers may announce all calls first and send their arguments in turns, while other formats say one part
    to its end before the next begins. So a call is told as it comes, and those behind it wait until its
    arguments are complete.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], int] = {}  # choice and the call's index → its part's
        self._ids: dict[int, str] = {}
        self._arguments: dict[int, list[str]] = {}
        self._open: dict[int, int] = {}  # choice → the part being said
        self._waiting: dict[int, dict[int, list[Event]]] = {}
        self._called: set[int] = set()

    def made(self, choice: int) -> bool:
        """Whether the choice has calls."""
        return choice in self._called

    def take(self, choice: int, value: Json, free: int, events: list[Event]) -> int:
        """One delta of a call; 1 where it begins the part `free`, else 0."""
        function = value.get("function") or {}
        key = (choice, value.get("index") or 0)
        at, name, given = self._places.get(key), function.get("name") or "", value.get("id") or ""
        new = at is None or bool(name and given and given != self._ids[at])  # some count every call as 0
        if at is None or new:
            at = self._places[key] = free
            self._ids[at], self._arguments[at] = given, []
            self._called.add(choice)
            self._begin(choice, at, Opened(at, Call(given, name, ""), choice), events)
        if text := function.get("arguments"):
            self._add(choice, at, text, events)
        return int(new)

    def _begin(self, choice: int, at: int, opened: Opened, events: list[Event]) -> None:
        now = self._open.get(choice)
        if now is not None and not self._complete(now):
            self._waiting.setdefault(choice, {})[at] = [opened]
            return
        if now is not None:
            events.append(Closed(now, choice))
        self._open[choice] = at
        events.append(opened)

    def _add(self, choice: int, at: int, text: str, events: list[Event]) -> None:
        waiting = self._waiting.get(choice) or {}
        added = Added(at, text, choice)
        if at in waiting:
            self._arguments[at].append(text)
            waiting[at].append(added)
        elif at == self._open.get(choice):
            self._arguments[at].append(text)
            events.append(added)
            while waiting and self._complete(self._open[choice]):
                self._next(choice, waiting, events)
        elif not self._complete(at):  # complete arguments that are sent again would spoil them
            events.append(added)

    def _next(self, choice: int, waiting: dict[int, list[Event]], events: list[Event]) -> None:
        events.append(Closed(self._open[choice], choice))
        at = self._open[choice] = next(iter(waiting))
        events += waiting.pop(at)

    def close(self, choice: int, events: list[Event]) -> None:
        """No more is coming: the calls that wait are told as they are."""
        waiting = self._waiting.pop(choice, {})
        while waiting:
            self._next(choice, waiting, events)
        if (now := self._open.pop(choice, None)) is not None:
            events.append(Closed(now, choice))

    def _complete(self, at: int) -> bool:
        """Whether the call's arguments are a whole object, to which nothing can be added."""
        text = "".join(self._arguments[at]).strip()
        if not text.endswith("}"):
            return False
        try:
            return isinstance(msgspec.json.decode(text), dict)
        except msgspec.DecodeError:
            return False
