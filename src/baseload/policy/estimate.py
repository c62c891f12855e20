"""How many tokens a request will take, from its bytes and from what the model's earlier answers took."""

from __future__ import annotations

import math

PRIOR_BYTES_PER_TOKEN = 4.0
"""English text of a JSON body, until this model's own usage is known."""

DEFAULT_OUTPUT_TOKENS = 256
"""Expected output of a model that has not answered yet."""

DEFAULT_OUTPUT_BOUND = 4096
"""Bound of the output of a model whose answers are not known, where the request names none."""

BOUND_MARGIN = 1.2
LEARNED_ANSWERS = 20
"""Answers after which a model's own quantile is believed."""

PRIOR_ANSWERS = 8
"""How many answers the expected output of an unknown model is worth against its first real ones."""

SAMPLED_AFTER = 1024
SAMPLE = 4
"""After `SAMPLED_AFTER` answers each so-many-th one is taken in."""

_PRIOR_TOKENS = 2000.0
_REMEMBERED_TOKENS = 1_000_000.0
_SMOOTHING = 0.02


class Quantile:
    """A quantile of a stream of counts from a histogram on a logarithmic scale, forgetting slowly.

    Eight buckets an octave: the answer is the upper edge of the quantile's bucket, so it is never below the
    true quantile of what is remembered and at most 2^(1/8) − 1 = 9.1% above it (one count for small ones).
    Beyond `REMEMBERED` counts all are halved, which halves the weight of what is older.
    """

    REMEMBERED = 8192
    _PER_OCTAVE = 8
    _OCTAVES = 24

    __slots__ = ("_counts", "_share", "total")

    def __init__(self, share: float) -> None:
        self._share = share
        self._counts = [0] * (self._PER_OCTAVE * self._OCTAVES + 1)
        self.total = 0

    def add(self, value: int) -> None:
        """Take in one value; below 1 counts as 1."""
        bucket = math.ceil(math.log2(value) * self._PER_OCTAVE - 1e-9) if value > 1 else 0
        last = len(self._counts) - 1
        self._counts[bucket if bucket < last else last] += 1
        self.total += 1
        if self.total > self.REMEMBERED:
            self._counts = [count // 2 for count in self._counts]
            self.total = sum(self._counts)

    def value(self) -> int:
        """The quantile; 0 as long as nothing was added."""
        wanted = self._share * self.total
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return math.ceil(math.exp2(bucket / self._PER_OCTAVE) - 1e-9)
        return 0


class TokenEstimate:
    """What is known of one model's requests; `learn` from every settled answer, ask before the next."""

    __slots__ = ("_answers", "_bytes", "_output", "_p99", "_quantile", "_since_p99", "_tokens")

    def __init__(self) -> None:
        self._answers = 0
        self._bytes = PRIOR_BYTES_PER_TOKEN * _PRIOR_TOKENS
        self._tokens = _PRIOR_TOKENS
        self._output = float(DEFAULT_OUTPUT_TOKENS)
        self._quantile = Quantile(0.99)
        self._p99 = 0
        self._since_p99 = 0

    def learn(self, body_bytes: int, input_tokens: int, output_tokens: int) -> None:
        """Take in the usage that an upstream reported for a completed request.

        Once `SAMPLED_AFTER` answers are known, each `SAMPLE`-th one is taken in, for as many.
        """
        self._answers = answers = self._answers + 1
        many = 1
        if answers > SAMPLED_AFTER:
            if answers % SAMPLE:
                return
            many = SAMPLE
        if input_tokens > 0:
            self._bytes += many * body_bytes
            self._tokens += many * input_tokens
            if self._tokens > _REMEMBERED_TOKENS:
                self._bytes /= 2.0
                self._tokens /= 2.0
        weight = max(many * _SMOOTHING, 1.0 / (answers + PRIOR_ANSWERS))
        self._output += weight * (output_tokens - self._output)
        self._quantile.add(output_tokens)
        self._since_p99 += 1
        if self._since_p99 >= LEARNED_ANSWERS:
            self._since_p99 = 0
            self._p99 = self._quantile.value()

    def input_tokens(self, body_bytes: int) -> int:
        """Expected input tokens of a body of this size, at least 1."""
        return int(body_bytes * self._tokens / self._bytes) or 1

    @staticmethod
    def input_bound(body_bytes: int) -> int:
        """No text body of this size takes more input tokens: a token of a byte-level vocabulary covers at
        least a byte, and a message's JSON syntax is longer than the few tokens a chat template adds."""
        return body_bytes

    def output_tokens(self, max_tokens: int | None) -> int:
        """Expected output tokens of a request with this `max_tokens`."""
        expected = int(self._output) or 1
        return expected if max_tokens is None or expected < max_tokens else max_tokens

    def output_bound(self, max_tokens: int | None) -> int:
        """What to set aside for the output: min(max_tokens, p99 · 1.2); a stream beyond it extends."""
        bound = math.ceil(self._p99 * BOUND_MARGIN) if self._p99 else DEFAULT_OUTPUT_BOUND
        return bound if max_tokens is None or bound < max_tokens else max_tokens
