"""Sources of an answer's words, from each provider's own form to the annotations of OpenAI's formats.

Only pages on the web have a place there; places in documents that the client showed are in the annex.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from baseload.wire.dialects.nouns import Declined, Dialect, Json, Own, Part, Text
from baseload.wire.dialects.rest import objects


def cited(part: Text) -> list[Json]:
    """The pages that a text of another format cites, as annotations of responses; each cites all of it."""
    own = part.own
    if own is None or own.dialect not in (Dialect.MESSAGES, Dialect.CONVERSE):
        return []
    found = []
    for citation in objects(own.members.get("citations")) or ():
        location = citation.get("location")
        web = location.get("web") if isinstance(location, dict) else citation
        url = web.get("url") if isinstance(web, dict) else None
        if isinstance(url, str):
            found.append(_annotation(url, citation.get("title"), 0, len(part.text)))
    return found


def told_pages(parts: Iterable[Part], choice: Own | None) -> list[Json]:
    """`annotations` of a chat completion's message that says these parts; indices count all its text."""
    found: list[Json] = []
    at = 0
    for part in parts:
        if isinstance(part, Text):
            found += [_moved(one, at) for one in (*cited(part), *_of_responses(part))]
            at += len(part.text)
    if choice is not None and choice.dialect is Dialect.GEMINI:
        text = "".join(part.text for part in parts if isinstance(part, Text | Declined))
        found += _grounded(choice.members.get("groundingMetadata"), text)
    return [
        {"type": "url_citation", "url_citation": {k: v for k, v in one.items() if k != "type"}}
        for one in found
    ]


def _annotation(url: str, title: object, start: int, end: int) -> Json:
    """One annotation, with all members that OpenAI's schema requires."""
    named = title if isinstance(title, str) else url
    return {"type": "url_citation", "url": url, "title": named, "start_index": start, "end_index": end}


def _moved(one: Json, by: int) -> Json:
    return {**one, "start_index": one["start_index"] + by, "end_index": one["end_index"] + by}


def _of_responses(part: Text) -> Iterator[Json]:
    own = part.own
    if own is None or own.dialect is not Dialect.RESPONSES:
        return
    for one in objects(own.members.get("annotations")) or ():
        url, start, end = one.get("url"), one.get("start_index"), one.get("end_index")
        if one.get("type") == "url_citation" and isinstance(url, str):
            whole = not isinstance(start, int) or not isinstance(end, int)
            yield _annotation(url, one.get("title"), *((0, len(part.text)) if whole else (start, end)))


def _grounded(metadata: object, text: str) -> Iterator[Json]:
    """Google's: pages, and which bytes of the text rest on which; all of it where that is not said."""
    if not isinstance(metadata, dict):
        return
    pages = [chunk.get("web") for chunk in objects(metadata.get("groundingChunks")) or ()]
    supports = objects(metadata.get("groundingSupports")) or [{"groundingChunkIndices": [*range(len(pages))]}]
    raw = text.encode(errors="surrogatepass")
    for support in supports:
        segment: Any = support.get("segment")
        segment = segment if isinstance(segment, dict) else {"endIndex": len(raw)}
        start, end = (_letters(raw, segment.get(name, 0)) for name in ("startIndex", "endIndex"))
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            page = pages[index] if isinstance(index, int) and 0 <= index < len(pages) else None
            if isinstance(page, dict) and isinstance(url := page.get("uri"), str):
                yield _annotation(url, page.get("title"), start, end)


def _letters(raw: bytes, count: object) -> int:
    """How many letters the first `count` bytes are."""
    known = count if isinstance(count, int) and count > 0 else 0
    return len(raw[:known].decode(errors="ignore"))
