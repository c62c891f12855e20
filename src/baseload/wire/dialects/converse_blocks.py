"""Amazon Bedrock Converse: content blocks, of requests and answers, and the formats of media.

Shapes: Amazon's API reference of the Bedrock runtime (ContentBlock and what it holds), read November 2026.
A block is an object with one member that says what it is. A cache point is a block of its own, after what it
marks; here it becomes the `cache` of the part before it. Blobs are base64 in JSON.
"""

from __future__ import annotations

import json
import re

from baseload import errors
from baseload.errors import RequestError
from baseload.wire.dialects.fitting import id_from, id_of
from baseload.wire.dialects.nouns import (
    Cache,
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
from baseload.wire.dialects.rest import Rest, arguments_object, arguments_text, put_back, spelt, wrong

_CONVERSE = Dialect.CONVERSE
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMATS: dict[Kind, dict[str, str]] = {
    Kind.IMAGE: {word: f"image/{word}" for word in ("png", "jpeg", "gif", "webp")},
    Kind.DOCUMENT: {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": _WORD,
        "xls": "application/vnd.ms-excel",
        "xlsx": _SHEET,
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    },
    Kind.AUDIO: {
        word: f"audio/{word}"
        for word in ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mka", "x-aac", "m4a", "pcm", "webm")
    }
    | {"mkv": "audio/x-matroska", "mpga": "audio/mpeg", "mpeg": "audio/mpeg"},
    Kind.VIDEO: {
        "mkv": "video/x-matroska",
        "mov": "video/quicktime",
        "mp4": "video/mp4",
        "webm": "video/webm",
        "flv": "video/x-flv",
        "mpg": "video/mpeg",
        "mpeg": "video/mpeg",
        "wmv": "video/x-ms-wmv",
        "three_gp": "video/3gpp",
    },
}
"""The formats of each kind, and the media type that stands for each elsewhere."""
_ALIASES = {
    "image/jpg": "jpeg",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/x-m4a": "m4a",
    "audio/x-flac": "flac",
    "application/json": "txt",
    "application/xml": "txt",
    "application/xhtml+xml": "html",
    "application/csv": "csv",
    "text/x-markdown": "md",
    "video/matroska": "mkv",
}
_BY_TYPE = {kind: {mime: word for word, mime in words.items()} for kind, words in FORMATS.items()}
_SERVED = "tool_use"
"""`toolUse.type` of a call that the client is to make, where a model says it; others are the provider's."""


# -- reading ------------------------------------------------------------------------------------------------


def read_blocks(blocks: list[object], where: str, *, answer: bool = False) -> list[Part]:
    """The parts of a content list. Raises RequestError (invalid_field).

    `answer`: of an answer, in which results are those of the provider's own tools.
    """
    parts: list[Part] = []
    for at, block in enumerate(blocks):
        if not isinstance(block, dict) or not block:
            raise wrong(f"{where}[{at}]", "must be an object with one member")
        point = cache_point(block)
        if point is not None and parts and mark(parts[-1], point):
            continue
        if answer and "toolResult" in block:
            parts.append(Foreign("toolResult", Own(_CONVERSE, block)))
        else:
            parts.append(_read_block(block, f"{where}[{at}]"))
    return parts


def cache_point(block: Json) -> Cache | None:
    """The marker that a block is; None for any other block, and for one that says more."""
    point = block.get("cachePoint")
    if len(block) != 1 or not isinstance(point, dict) or point.get("type") != "default":
        return None
    ttl = point.get("ttl")
    if len(point) > 2 or (len(point) == 2 and not isinstance(ttl, str)):
        return None
    return Cache(ttl)


def mark(part: object, point: Cache) -> bool:
    """Whether `part` could take the marker; it has it then."""
    if isinstance(part, Text | Media | Call | Result) and part.cache is None:
        part.cache = point
        return True
    return False


def _read_block(block: Json, where: str) -> Part:
    name = next(iter(block))
    value = block[name]
    part: Part | None = None
    if len(block) > 1:
        name = " with ".join(block)
    elif name == "text":
        if not isinstance(value, str):
            raise wrong(f"{where}.text", "must be a string")
        return Text(value)
    elif name in _KINDS:
        part = _media(Rest(value, _CONVERSE, f"{where}.{name}"), _KINDS[name])
    elif name == "toolUse":
        part = _call(Rest(value, _CONVERSE, f"{where}.toolUse"))
    elif name == "toolResult":
        part = _result(Rest(value, _CONVERSE, f"{where}.toolResult"))
    elif name == "reasoningContent":
        part = _thought(value)
    elif name == "citationsContent":
        part = _cited(value)
    return part if part is not None else Foreign(_named(name, value), Own(_CONVERSE, block))


_KINDS = {kind.value: kind for kind in Kind}


def _named(name: str, value: object) -> str:
    """What a part of this dialect alone is called in messages."""
    if isinstance(value, dict):
        if name in ("toolUse", "toolResult"):
            return f"{name} of type {value.get('type')}"
        if isinstance(source := value.get("source"), dict) and source:
            return f"{name}.source.{next(iter(source))}"
    return name


def _media(rest: Rest, kind: Kind) -> Media | None:
    """Media; None where its source is one that only this provider can reach or take apart."""
    source = rest.members.get("source")
    if source is None:
        return None  # an error in its place
    if not isinstance(source, dict):
        raise wrong(rest.path("source"), "must be an object")
    if len(source) != 1:
        return None
    form, value = next(iter(source.items()))
    if form not in ("bytes", "text") or not isinstance(value, str):
        return None
    del rest.members["source"]
    word = rest.take("format", str)
    mime = None if word is None else FORMATS[kind].get(word, f"{kind.value}/{word}")
    media = Media(kind, mime, data=value if form == "bytes" else None, text=value if form == "text" else None)
    if kind is Kind.DOCUMENT:
        media.name = rest.need("name", str)
    if word is not None and _BY_TYPE[kind].get(mime or "") != word:
        rest.spelling["format"] = word
    if word is None:
        rest.spelling["format"] = "absent"
    media.own = rest.own()
    return media


def _call(rest: Rest) -> Call | None:
    kind = rest.members.get("type")
    if kind not in (None, _SERVED):
        return None
    if rest.take("type", str) is not None:
        rest.spelling["type"] = kind
    arguments = arguments_text(rest.members.pop("input", None))
    call = Call(id_from(rest.need("toolUseId", str), _CONVERSE), rest.need("name", str), arguments)
    call.own = rest.own()
    return call


_STATUS = {"success": False, "error": True}


def _result(rest: Rest) -> Result | None:
    if "type" in rest.members:
        return None
    content = rest.need("content", list)
    result = Result(id_from(rest.need("toolUseId", str), _CONVERSE), [], plain=False)
    for at, block in enumerate(content):
        if isinstance(block, dict) and len(block) == 1 and "json" in block:
            held = Own(_CONVERSE, {}, {"json": block["json"]})
            text = json.dumps(block["json"], ensure_ascii=False, separators=(",", ":"))
            result.parts.append(Text(text, own=held))
        else:
            result.parts += read_blocks([block], f"{rest.path('content')}[{at}]")
    status = rest.members.get("status")
    if isinstance(status, str) and status in _STATUS:
        result.failed = _STATUS[rest.need("status", str)]
    result.own = rest.own()
    return result


def _thought(value: object) -> Thought | None:
    if not isinstance(value, dict) or len(value) != 1:
        return None
    if isinstance(sealed := value.get("redactedContent"), str):
        return Thought("", sealed=sealed, origin=_CONVERSE)
    said = value.get("reasoningText")
    if not isinstance(said, dict) or not isinstance(text := said.get("text"), str):
        return None
    signature = said.get("signature")
    if signature is not None and not isinstance(signature, str):
        return None
    own = {name: one for name, one in said.items() if name not in ("text", "signature")}
    return Thought(text, signature, origin=_CONVERSE, own=Own(_CONVERSE, own) if own else None)


def _cited(value: object) -> Text | None:
    """Text with the places it rests on: the text is said everywhere, its citations here alone."""
    if not isinstance(value, dict) or not isinstance(content := value.get("content"), list):
        return None
    said = [one.get("text") if isinstance(one, dict) and len(one) == 1 else None for one in content]
    if not all(isinstance(one, str) for one in said):
        return None
    members = {name: one for name, one in value.items() if name != "content"}
    return Text("".join(map(str, said)), own=Own(_CONVERSE, members, {"content": content}))


# -- writing ------------------------------------------------------------------------------------------------


class Names:
    """Names of a request's documents: AWS takes few characters, and each name once.

    `answer`: what is written is an answer, which is told whole: a media type that AWS has no format for is
    told as it is called, where a request is refused.
    """

    def __init__(self, *, answer: bool = False) -> None:
        self.answer = answer
        self._taken: set[str] = set()

    def of(self, media: Media) -> str:
        """The document's name as AWS takes it; a missing one is supplied."""
        raw = media.name or "document"
        if "." in raw:  # a file's name: its format is said beside it
            raw = raw.removesuffix(f".{format_of(media, answer=self.answer)}")
        name = fitting_name(raw)
        at, one = 2, name
        while one in self._taken:
            one, at = f"{name[:190]} {at}", at + 1
        self._taken.add(one)
        return one


def fitting_name(name: str) -> str:
    """A document's name in the characters of AWS: letters, digits, single spaces, hyphens, brackets."""
    fitted = re.sub(r"[^A-Za-z0-9\s\-()\[\]]", "-", name)
    return re.sub(r"\s+", " ", fitted)[:200].strip() or "document"


def write_blocks(parts: list[Part], names: Names | None = None) -> list[Json]:
    """The parts as a content list, without empty texts, which AWS refuses."""
    blocks: list[Json] = []
    names = names or Names()
    for part in parts:
        block = write_block(part, names)
        if block is not None:
            blocks.append(block)
            if (cache := _cache(part)) is not None:
                blocks.append(point_block(cache))
    return blocks


def _cache(part: Part) -> Cache | None:
    """The marker of a part; one within a tool's result stands after it, since results hold none."""
    if isinstance(part, Result):
        inner = (getattr(held, "cache", None) for held in part.parts)
        return part.cache or next((cache for cache in inner if cache is not None), None)
    cache: Cache | None = getattr(part, "cache", None)
    return cache


def point_block(cache: Cache) -> Json:
    """A marker as a block."""
    return {"cachePoint": {"type": "default"} | ({"ttl": cache.ttl} if cache.ttl is not None else {})}


def write_block(part: Part, names: Names) -> Json | None:
    """A part as a block; None for what cannot stand in this dialect's content."""
    if isinstance(part, Text):
        return _write_text(part)
    if isinstance(part, Declined):
        return {"text": part.text} if part.text else None
    if isinstance(part, Media):
        return {part.kind.value: _write_media(part, names)}
    if isinstance(part, Call):
        use: Json = {
            "toolUseId": id_of(part.id, _CONVERSE),
            "name": part.name,
            "input": arguments_object(part.arguments),
        }
        if (kind := spelt(part.own, _CONVERSE, "type")) is not None:
            use["type"] = kind
        return {"toolUse": put_back(use, part.own, _CONVERSE)}
    if isinstance(part, Result):
        return {"toolResult": _write_result(part, names)}
    if isinstance(part, Thought):
        return _write_thought(part)
    return part.own.members if part.own.dialect is _CONVERSE else None


def _write_text(part: Text) -> Json | None:
    own = part.own
    if own is not None and own.dialect is _CONVERSE:
        if "json" in own.spelling:
            return {"json": own.spelling["json"]}
        if "content" in own.spelling or own.members:
            content = own.spelling.get("content", [{"text": part.text}])
            return {"citationsContent": {"content": content, **own.members}}
    return {"text": part.text} if part.text else None


def _write_media(media: Media, names: Names) -> Json:
    value: Json = {}
    if spelt(media.own, _CONVERSE, "format") != "absent":
        value["format"] = format_of(media, answer=names.answer)
    if media.kind is Kind.DOCUMENT:
        value["name"] = names.of(media)
    value["source"] = {"text": media.text} if media.data is None else {"bytes": media.data}
    return put_back(value, media.own, _CONVERSE)


def format_of(media: Media, *, answer: bool = False) -> str:
    """What Converse calls the media type. Raises RequestError (unsupported_parameter) where it has none."""
    word = spelt(media.own, _CONVERSE, "format")
    if isinstance(word, str) and word != "absent":
        return word
    mime = (media.mime or "").partition(";")[0].strip().lower()
    if media.text is not None and not mime:
        return "txt"
    found = _BY_TYPE[media.kind].get(mime) or _ALIASES.get(mime)
    if found in FORMATS[media.kind]:
        return found
    if media.kind is Kind.DOCUMENT and mime.startswith("text/"):
        return "txt"
    if (
        media.kind is Kind.DOCUMENT
        and not mime
        and (media.name or "").rpartition(".")[2] in FORMATS[media.kind]
    ):
        return (media.name or "").rpartition(".")[2]
    if answer:
        return mime.rpartition("/")[2] or next(iter(FORMATS[media.kind]))
    raise RequestError(
        errors.UNSUPPORTED_PARAMETER,
        f"the target speaks the converse format, which takes no {media.kind.value} of type {mime!r}",
        param=media.kind.value,
    )


_IN_RESULTS = ("text", "json", "image", "document", "video", "searchResult")


def _write_result(result: Result, names: Names) -> Json:
    content = []
    for part in result.parts:
        block = write_block(part, names)
        if block is None:
            continue
        if next(iter(block)) not in _IN_RESULTS and not (isinstance(part, Foreign)):
            what = part.kind.value if isinstance(part, Media) else next(iter(block))
            message = f"the target speaks the converse format, whose tool results hold no {what}"
            raise RequestError(errors.UNSUPPORTED_PARAMETER, message, param=what)
        content.append(block)
    if not content and result.failed:
        content.append({"text": FAILED})
    value: Json = {"toolUseId": id_of(result.id, _CONVERSE), "content": content}
    if result.failed is not None:
        value["status"] = "error" if result.failed else "success"
    return put_back(value, result.own, _CONVERSE)


FAILED = "failed"
"""What a tool that failed without a word is said to have said: AWS refuses a failure without content."""


def _write_thought(thought: Thought) -> Json | None:
    """Reasoning; of another provider's its text alone, since only that one can check and open the rest."""
    ours = thought.origin is _CONVERSE
    if thought.sealed is not None:
        return {"reasoningContent": {"redactedContent": thought.sealed}} if ours else None
    said: Json = {"text": thought.text}
    if thought.signature is not None and ours:
        said["signature"] = thought.signature
    return {"reasoningContent": {"reasoningText": put_back(said, thought.own, _CONVERSE)}}
