"""Google's parts of a content: text, thoughts, media, calls of functions and their results, both ways."""

from __future__ import annotations

import json
import mimetypes
from typing import Any

from baseload.wire.dialects import annex
from baseload.wire.dialects.gemini_held import Held, put_back_as_read
from baseload.wire.dialects.nouns import (
    Call,
    Declined,
    Dialect,
    Foreign,
    Json,
    Kind,
    Media,
    Own,
    Part,
    Result,
    Text,
    Thought,
)
from baseload.wire.dialects.rest import arguments_object, arguments_text, spelt

_GEMINI = Dialect.GEMINI
_MARKS = frozenset({"thought", "thoughtSignature", "thought_signature", "partMetadata", "part_metadata"})
_KINDS = {"image": Kind.IMAGE, "audio": Kind.AUDIO, "video": Kind.VIDEO}
_TYPES = {Kind.IMAGE: "image/jpeg", Kind.DOCUMENT: "application/pdf", Kind.AUDIO: "audio/mpeg"}
_TYPES[Kind.VIDEO] = "video/mp4"
"""What a URL that does not tell its media type is taken for."""
_FILES = "generativelanguage.googleapis.com/"
UNSIGNED = "skip_thought_signature_validator"
"""The signature by which Google lets a call pass that another provider's model made."""


# -- ids ----------------------------------------------------------------------------------------------------

INVENTED = "gcall_"
"""How ids begin that are ours: Google may leave them out, other dialects need them. Never sent to Google."""


class Ids:
    """Ids for calls that came without one, and for the results that answer them, in the order they come."""

    def __init__(self, seed: str = "") -> None:
        self._stem = INVENTED + "".join(one for one in seed[-20:] if one.isalnum() and one.isascii())
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def of_call(self, name: str, given: str | None) -> str:
        """The id of a call."""
        made = given
        if made is None:
            made = f"{self._stem}_{self._count}"
            self._count += 1
        self._open.append((name, made))
        return made

    def of_result(self, name: str, given: str | None) -> str:
        """The id of the call that a result answers: by its id, else the first of its name that is open."""
        for at, (called, known) in enumerate(self._open):
            if given == known or (given is None and called == name):
                del self._open[at]
                return known
        return given if given is not None else f"{self._stem}_{name}"


# -- the annex ----------------------------------------------------------------------------------------------

pack = annex.pack
"""An annex as a signature: the one thing that clients of this dialect must send back as it came."""


def unpack(part: object) -> Json | None:
    """The annex in a part as JSON; None where it is a part like any other."""
    if not isinstance(part, dict) or part.get("text"):
        return None
    return annex.unpack(part.get("thoughtSignature") or part.get("thought_signature"))


# -- reading ------------------------------------------------------------------------------------------------


def read_parts(values: list[Any], where: str, ids: Ids) -> tuple[list[Part], Json]:
    """The parts as the annex among them has them, and it. Raises RequestError (invalid_field)."""
    parts: list[Part] = []
    kept: Json = {}
    for at, value in enumerate(values):
        found = unpack(value)
        if found is not None:
            kept = found
        else:
            parts.append(read_part(value, f"{where}[{at}]", ids))
    return annex.restore(parts, kept), kept


def joined(contents: list[Any]) -> list[Any]:
    """Contents, those of one streamed answer as one where an annex among them says what they hold.

    Google's SDKs keep each chunk of a stream as a content of its own, and send them back so.
    """
    made: list[Any] = []
    begun = 0  # where the model's contents that go on begin
    for content in contents:
        model = isinstance(content, dict) and content.get("role") == "model"
        parts = content.get("parts") if isinstance(content, dict) else None
        made.append(content)
        if not model or not isinstance(parts, list):
            begun = len(made)
        elif len(made) - begun > 1 and any(unpack(part) is not None for part in parts):
            whole = [part for one in made[begun:] for part in one["parts"]]
            made[begun:] = [{**made[begun], "parts": whole}]
            begun = len(made)
    return made


def read_part(value: object, where: str, ids: Ids) -> Part:
    """One part. Raises RequestError (invalid_field)."""
    held = Held(value, where)
    if isinstance(held.members.get("text"), str):
        text = held.need("text", str)
        if held.members.get("thought") is True:
            del held.members["thought"]
            thought = Thought(text, held.take("thoughtSignature", str), origin=_GEMINI)
            thought.own = held.own()
            return thought
        return Text(text, own=held.own())
    if held.has("functionCall"):
        return _read_call(held, ids)
    if held.has("functionResponse"):
        return _read_result(held, ids)
    for name in ("inlineData", "fileData"):
        if held.has(name):
            return _read_media(held, name)
    assert isinstance(value, dict)
    what = next((name for name in value if name not in _MARKS), "part")
    return Foreign(what, Own(_GEMINI, value))


def _read_call(held: Held, ids: Ids) -> Call:
    inner = held.nest("functionCall")
    assert inner is not None
    name, given = inner.take("name", str) or "", inner.take("id", str)
    args = inner.take("args", dict)
    if args is None:
        inner.spelling["args"] = "absent"
    call = Call(ids.of_call(name, given), name, arguments_text(args))
    held.spelling["read"] = True
    held.leave(inner, "functionCall")
    call.own = held.own()
    return call


def _read_result(held: Held, ids: Ids) -> Result:
    inner = held.nest("functionResponse")
    assert inner is not None
    name, given = inner.take("name", str) or "", inner.take("id", str)
    result = Result(ids.of_result(name, given), [], name=name or None)
    if not name:
        inner.spelling["name"] = "absent"
    if given is None:
        inner.spelling["id"] = "absent"
    response = inner.take("response", dict)
    if response is None:
        inner.spelling["response"] = "absent"
    elif response:
        _read_response(response, inner, result)
    media = inner.take("parts", list)
    for at, one in enumerate(media or ()):
        result.parts.append(read_part(one, f"{inner.path('parts')}[{at}]", ids))
        result.plain = False
    if media == []:
        inner.spelling["parts"] = "empty"
    held.leave(inner, "functionResponse")
    result.own = held.own()
    return result


_MEANT = ("output", "result", "error")


def _read_response(response: Json, inner: Held, result: Result) -> None:
    """A response's text: that of its one member where Google or habit gives the name a meaning, else JSON."""
    key = next(iter(response)) if len(response) == 1 else ""
    value: Any = response
    if key in _MEANT:
        value = response[key]
        result.failed = True if key == "error" else None
        if key == "result":
            inner.spelling["key"] = key
    else:
        inner.spelling["key"] = None
    if isinstance(value, str):
        result.parts = [Text(value)]
    elif isinstance(value, list) and len(value) > 1 and all(isinstance(one, str) for one in value):
        result.parts, result.plain = [Text(one) for one in value], False
    else:
        result.parts = [Text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))]
        inner.spelling["json"] = True


def _read_media(held: Held, name: str) -> Media:
    inner = held.nest(name)
    assert inner is not None
    mime = inner.take("mimeType", str)
    media = Media(Kind.DOCUMENT, mime)
    if name == "inlineData":
        media.data = inner.need("data", str)
        if "-" in media.data or "_" in media.data:
            media.data = media.data.replace("-", "+").replace("_", "/")
            inner.spelling["urlsafe"] = True
    else:
        uri = inner.need("fileUri", str)
        if uri.startswith(("https://", "http://")) and _FILES not in uri:
            media.url = uri
        else:
            media.file = uri
        mime = mime or mimetypes.guess_type(uri)[0]
    if media.mime is None:
        inner.spelling["mimeType"] = "absent"
    media.kind = _KINDS.get((mime or "").partition("/")[0], Kind.DOCUMENT)
    named = inner.take("displayName", str)
    if named is not None:
        media.name = named
        inner.spelling["displayName"] = True
    held.leave(inner, name)
    media.own = held.own()
    return media


# -- writing ------------------------------------------------------------------------------------------------


def write_part(part: Part, names: dict[str, str]) -> Json | None:
    """A part as JSON; None where this dialect has nothing to say. `names`: of the functions, by call id."""
    if isinstance(part, Text):
        return put_back_as_read({"text": part.text}, part.own)
    if isinstance(part, Call):
        return write_call(part)
    if isinstance(part, Thought):
        return write_thought(part)
    if isinstance(part, Declined):
        return {"text": part.text}
    if isinstance(part, Media):
        return _write_media(part)
    if isinstance(part, Result):
        return _write_result(part, names)
    return part.own.members if part.own.dialect is _GEMINI else None


def write_thought(thought: Thought) -> Json | None:
    """A thought; what another provider signed or sealed is in the annex, its text at most is said."""
    value: Json = {"text": thought.text, "thought": True}
    if thought.origin is not _GEMINI:
        return value if thought.text else None
    if thought.signature is not None:
        value["thoughtSignature"] = thought.signature
    return put_back_as_read(value, thought.own)


def unsigned(part: Part) -> bool:
    """Whether it is a call that no model of Google made, which Google takes with a mark alone."""
    return isinstance(part, Call) and (part.own is None or part.own.dialect is not _GEMINI)


def write_call(call: Call) -> Json:
    """A call; an id that we made up is left out."""
    inner: Json = {} if call.id.startswith(INVENTED) else {"id": call.id}
    spelling = spelt(call.own, _GEMINI, "functionCall") or {}
    if call.name:
        inner["name"] = call.name
    if spelling.get("args") != "absent":
        inner["args"] = arguments_object(call.arguments)
    return put_back_as_read({"functionCall": inner}, call.own)


def _write_result(result: Result, names: dict[str, str]) -> Json:
    spelling = spelt(result.own, _GEMINI, "functionResponse") or {}
    inner: Json = {}
    if spelling.get("name") != "absent":
        inner["name"] = result.name or names.get(result.id) or result.id or "function"
    if spelling.get("id") != "absent" and not result.id.startswith(INVENTED):
        inner["id"] = result.id
    if spelling.get("response") != "absent":
        inner["response"] = _response(result, spelling)
    media = [one for part in result.parts if not _is_text(part) and (one := write_part(part, names))]
    if media or spelling.get("parts") == "empty":
        inner["parts"] = media
    return put_back_as_read({"functionResponse": inner}, result.own)


def _is_text(part: Part) -> bool:
    return isinstance(part, Text | Declined) or (isinstance(part, Media) and part.text is not None)


def _response(result: Result, spelling: Json) -> Json:
    texts = [
        part.text or ""
        for part in result.parts
        if isinstance(part, Text | Declined | Media) and _is_text(part)
    ]
    if not texts and result.failed is not True:
        return {}
    value: Any = texts if len(texts) > 1 else "".join(texts)
    if spelling.get("json") and isinstance(value, str):
        value = json.loads(value)
    key = spelling.get("key", "error" if result.failed else "output")
    if key is None and isinstance(value, dict):
        return value
    return {key or "output": value}


def _write_media(media: Media) -> Json:
    if media.text is not None:
        return {"text": media.text}
    inline = media.data is not None
    name = "inlineData" if inline else "fileData"
    spelling = spelt(media.own, _GEMINI, name) or {}
    inner: Json = {}
    mime = media.mime or _guessed(media)
    if spelling.get("mimeType") != "absent" and mime is not None:
        inner["mimeType"] = mime
    if media.data is not None:
        data = media.data
        inner["data"] = data.replace("+", "-").replace("/", "_") if spelling.get("urlsafe") else data
    else:
        inner["fileUri"] = media.url if media.url is not None else media.file
    if spelling.get("displayName"):
        inner["displayName"] = media.name
    return put_back_as_read({name: inner}, media.own)


def _guessed(media: Media) -> str | None:
    """The media type by the ending of the name or URL, else what is usual for its kind."""
    for name in (media.name, media.url):
        guess = mimetypes.guess_type(name)[0] if name else None
        if guess is not None and _KINDS.get(guess.partition("/")[0], Kind.DOCUMENT) is media.kind:
            return guess
    return None if media.file is not None and media.kind is Kind.DOCUMENT else _TYPES[media.kind]
