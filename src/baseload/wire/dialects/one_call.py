"""An answer with one call at most, where a client wants them one by one and a target cannot be told so.

Calls after the first are left out as if the model had waited for its result; it may make them later.
"""

from __future__ import annotations

from baseload.wire.dialects.nouns import Added, Call, Closed, Event, Noted, Opened, Reply, Signed


def one_call_alone(reply: Reply) -> None:
    """Take calls after the first out of each choice of a whole answer."""
    for choice in reply.choices:
        first = next((part for part in choice.parts if isinstance(part, Call)), None)
        choice.parts = [part for part in choice.parts if part is first or not isinstance(part, Call)]


class OneCall:
    """The same of a stream: which of its events are told."""

    def __init__(self) -> None:
        self._called: dict[int, int] = {}
        self._left_out: set[tuple[int, int]] = set()

    def keeps(self, event: Event) -> bool:
        """Whether an event is told: all but those of calls after the first."""
        if not isinstance(event, Opened | Added | Signed | Noted | Closed):
            return True
        calls = isinstance(event, Opened) and isinstance(event.part, Call)
        if calls and self._called.setdefault(event.choice, event.index) != event.index:
            self._left_out.add((event.choice, event.index))
        return (event.choice, event.index) not in self._left_out
