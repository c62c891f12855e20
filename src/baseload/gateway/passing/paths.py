"""The paths that pass through: where each goes, whose targets take it, what it counts."""

from __future__ import annotations

from enum import StrEnum

from baseload.gateway.site import Endpoint
from baseload.wire.http1 import RequestHead


class Unit(StrEnum):
    """What a path counts besides tokens and requests: a key of `unit_price`."""

    IMAGE = "image"  # made
    SECOND = "second"  # of audio read
    CHARACTER = "character"  # spoken
    SEARCH = "search"  # a reranker's search unit


class Passed(Endpoint, frozen=True):
    """A path that passes through to targets of OpenAI's format.

    `group` is the key of `passthrough` whose targets take requests that name no model of ours. `form`: its
    body may be a form with files, which is handed on as it comes.
    """

    group: str = ""
    unit: Unit | None = None
    is_form: bool = False


def _passed(
    name: str, suffix: bytes, group: str, unit: Unit | None = None, *, is_form: bool = False
) -> Passed:
    return Passed(name, suffix, generates=False, teaches=False, group=group, unit=unit, is_form=is_form)


_RERANK = _passed("rerank", b"/rerank", "rerank", Unit.SEARCH)

PASSED: dict[bytes, Passed] = {
    b"/v1/images/generations": _passed("images.generations", b"/images/generations", "images", Unit.IMAGE),
    b"/v1/images/edits": _passed("images.edits", b"/images/edits", "images", Unit.IMAGE, is_form=True),
    b"/v1/images/variations": _passed(
        "images.variations", b"/images/variations", "images", Unit.IMAGE, is_form=True
    ),
    b"/v1/audio/speech": _passed("audio.speech", b"/audio/speech", "audio", Unit.CHARACTER),
    b"/v1/audio/transcriptions": _passed(
        "audio.transcriptions", b"/audio/transcriptions", "audio", Unit.SECOND, is_form=True
    ),
    b"/v1/audio/translations": _passed(
        "audio.translations", b"/audio/translations", "audio", Unit.SECOND, is_form=True
    ),
    b"/v1/moderations": _passed("moderations", b"/moderations", "moderations"),
    b"/v1/rerank": _RERANK,
    b"/v2/rerank": _RERANK,
    b"/rerank": _RERANK,
}


def is_upload(head: RequestHead) -> bool:
    """Whether the body of this request is a form that passes through as it comes."""
    passed = PASSED.get(head.path)
    if passed is None or not passed.is_form:
        return False
    return head.fields.get(b"content-type", b"").lower().startswith(b"multipart/form-data")
