"""A lasting key, in the header that its provider reads."""

from __future__ import annotations

from enum import Enum

from baseload.gateway.login.nouns import Call, Counts


class KeyHeader(Enum):
    """Which header line carries a key; the value is what stands before it."""

    BEARER = b"authorization: Bearer "  # OpenAI and everything compatible
    X_API_KEY = b"x-api-key: "  # Anthropic
    API_KEY = b"api-key: "  # Azure OpenAI
    X_GOOG_API_KEY = b"x-goog-api-key: "  # the Gemini API


class StaticKey:
    """Always fresh. An empty key is no header line at all: the endpoint takes none."""

    __slots__ = ("_lines", "counts")

    def __init__(self, key: str, header: KeyHeader) -> None:
        self._lines = b"%b%b\r\n" % (header.value, key.encode()) if key else b""
        self.counts = Counts()

    def header_lines(self, call: Call, now_s: float) -> bytes:
        return self._lines

    def fresh(self, now_s: float) -> bool:
        return True

    def refused(self, now_s: float) -> None:
        """There is no other; a reload of the configuration brings one."""

    def saw_date(self, date: str) -> bool:
        return False

    def start(self) -> None:
        """Nothing is renewed."""

    def wait_first(self, timeout_s: float) -> bool:
        return True

    def stop(self) -> None:
        """Nothing runs."""
