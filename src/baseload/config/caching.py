"""The response cache: how much is kept, and of which models (docs/cache.md)."""

from __future__ import annotations

from pydantic import Field

from baseload.config.fields import Count, Duration, Size
from baseload.config.section import Section


class CacheSection(Section):
    """The most that is kept of answers, in memory; the least recently used go first."""

    size: Size = Field(default="256MiB", validate_default=True)
    """Bytes of all answers together; one takes at most an eighth of it."""
    entries: Count = Field(default="100k", validate_default=True)
    """Answers kept at once."""


class ModelCacheSection(Section):
    """Answers of this model are kept, for tenants that opted in."""

    ttl: Duration = Field(examples=["1h"])
    """How long an answer is given again."""
