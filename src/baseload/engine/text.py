"""From token ids to text that may be sent: whole characters only, and nothing of a stop string.

Both classes are pure; the worker feeds them one step's tokens at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

_REPLACEMENT = "\ufffd"
_MAX_HELD = 8
"""Tokens held back for a character. UTF-8 needs at most four bytes, so more will never become one."""


class Detokenizer:
    """Turns one answer's tokens into text piece by piece; the pieces joined are the text of all tokens.

    A character's bytes may be spread over several tokens. Decoding them alone gives nothing or a replacement
    character, depending on the tokenizer, so a token's text is handed out only once it is complete. Decoding
    looks back over the tokens of the last piece, since some tokenizers write a word's leading space only
    where another word stands before it. (vLLM detokenises by the same rule.)
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._window: list[int] = []  # tokens of the last piece, then those held back
        self._shown = 0  # how many of them are handed out

    def push(self, tokens: Sequence[int]) -> str:
        """The text that became complete with these tokens; often empty."""
        self._window.extend(tokens)
        held = len(self._window) - self._shown
        before, text = self._decode(self._window[: self._shown]), self._decode(self._window)
        if held <= _MAX_HELD and (len(text) <= len(before) or text.endswith(_REPLACEMENT)):
            return ""
        return self._advance(before, text)

    def flush(self) -> str:
        """What is still held back when the answer ends, as far as it is text."""
        return self._advance(self._decode(self._window[: self._shown]), self._decode(self._window))

    def _advance(self, before: str, text: str) -> str:
        self._window = self._window[self._shown :]
        self._shown = len(self._window)
        return text[len(before) :]


class StopStrings:
    """Cuts text before the first stop string, even one that is spread over several pieces."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is no part of a stop string, and whether one was met (then nothing may follow)."""
        if not self._stops:
            return text, False
        text = self._held + text
        met = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if met:
            self._held = ""
            return text[: min(met)], True
        keep = self._possible_start(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], False

    def flush(self) -> str:
        """What was held back as the possible start of a stop string that never came."""
        held, self._held = self._held, ""
        return held

    def _possible_start(self, text: str) -> int:
        """Length of the longest end of `text` that is the beginning of a stop string."""
        longest = max(len(stop) for stop in self._stops) - 1
        for size in range(min(longest, len(text)), 0, -1):
            end = text[-size:]
            if any(stop.startswith(end) for stop in self._stops):
                return size
        return 0
