"""The words that every kind of login speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

_VISIBLE = re.compile(r"[!-~]{1,16384}")

T = TypeVar("T")


class Call(NamedTuple):
    """One attempt's request as it goes out: `path` with its query, percent-encoded; `host` is its field."""

    method: str
    path: str
    host: str
    body: bytes


class LoginFailed(Exception):
    """A source could not give a credential. The message goes to the log: it names the endpoint's host, its
    status and error code, and never what was sent or received besides."""


class Counts:
    """What a login's renewals came to, for metrics. `failures_in_a_row` above 0 is worth an alarm."""

    __slots__ = ("failed", "failures_in_a_row", "renewed")

    def __init__(self) -> None:
        self.renewed = 0
        self.failed = 0
        self.failures_in_a_row = 0


class Obtained(NamedTuple, Generic[T]):
    """What a source gave, and for how many seconds from when it was asked; None is without end."""

    value: T
    lifetime_s: float | None


class Source(Protocol[T]):
    """Where a credential comes from. `name` says which in a log, without a secret."""

    @property
    def name(self) -> str: ...

    def obtain(self) -> Obtained[T]:
        """A new credential. Blocks for some seconds at most. Raises LoginFailed."""


class Login(Protocol):
    """Signs attempts in. All but `wait_first` return at once, and are called by one thread."""

    counts: Counts

    def header_lines(self, call: Call, now_s: float) -> bytes:
        """The header lines that sign this call in, each with its CRLF. `now_s` is the monotonic clock.

        Raises RequestError `upstream_credentials` where there is none that holds.
        """

    def fresh(self, now_s: float) -> bool:
        """Whether there is a credential that holds."""

    def refused(self, now_s: float) -> None:
        """The target said 401 or 403: a credential that can be renewed is, at once."""

    def saw_date(self, date: str) -> bool:
        """The `date` of a reply by which the target refused a call; True if signing it anew may help."""

    def start(self) -> None:
        """Begin to fetch and to renew, in the background."""

    def wait_first(self, timeout_s: float) -> bool:
        """Block until the first fetch is over, whatever came of it; False after `timeout_s`."""

    def stop(self) -> None:
        """No more renewals. Returns at once."""


def visible(reply: Mapping[str, object], key: str, where: str) -> str:
    """A token or key of a reply, good for a header line. Raises LoginFailed for anything else."""
    value = reply.get(key)
    if not isinstance(value, str) or _VISIBLE.fullmatch(value) is None:
        raise LoginFailed(f"{where} answered without a usable {key}")
    return value


def is_visible(value: str) -> bool:
    """Whether a secret can stand in a header line."""
    return _VISIBLE.fullmatch(value) is not None
