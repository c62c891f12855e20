"""Paths that pass through: which targets take them, and prices of what is not counted in tokens."""

from __future__ import annotations

from pydantic import Field

from baseload.config.fields import TargetNames, Usd
from baseload.config.section import Section


class PassthroughSection(Section):
    """The targets of each group of paths, for requests whose model no section of `models` names."""

    images: TargetNames = ()
    """Targets of `/v1/images/…`."""
    audio: TargetNames = ()
    """Targets of `/v1/audio/…`."""
    moderations: TargetNames = ()
    """Targets of `/v1/moderations`."""
    rerank: TargetNames = ()
    """Targets of `/v1/rerank`, `/v2/rerank` and `/rerank`."""

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The names of each group's targets."""
        return {group: getattr(self, group) for group in type(self).model_fields}


class UnitPriceSection(Section):
    """Prices of what is not counted in tokens; what is not written is unknown."""

    request: Usd | None = Field(default=None, examples=["0"])
    """USD a request, besides what it counts."""
    image: Usd | None = Field(default=None, examples=["0.04"])
    """USD an image made."""
    second: Usd | None = Field(default=None, examples=["0.0001"])
    """USD a second of audio read."""
    character: Usd | None = Field(default=None, examples=["0.000015"])
    """USD a character spoken."""
    search: Usd | None = Field(default=None, examples=["0.002"])
    """USD a search unit of a rerank."""
    input_image: Usd | None = Field(default=None, examples=["10.00"])
    """USD per million input tokens of images; not written: unknown where an answer counts them."""
