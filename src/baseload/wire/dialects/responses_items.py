"""OpenAI responses: the items of `input` and `output`, and their content parts.

A message's own members stand in the spelling of its first part (`message`), so that neighbouring items of
the model are one turn and still are written apart. Parts that only another dialect can say, and reasoning
that only another provider can check, are sealed into `encrypted_content` of a reasoning item: clients send
those back without being able to read them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

import msgspec

from baseload.wire.dialects import annex
from baseload.wire.dialects.citing import cited
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
from baseload.wire.dialects.rest import Rest, data_url, put_back, spelt, split_data_url, wrong

_RESPONSES = Dialect.RESPONSES
SEAL = "baseload:"
"""How the `encrypted_content` of a sealed part of another dialect begins."""
BETWEEN = "\n\n"
"""What stands between the parts of a reasoning item's summary in its text."""


# -- reading ------------------------------------------------------------------------------------------------


def read_item(value: object, where: str) -> list[Part]:
    """The parts of an item that the model made. Raises RequestError (invalid_field)."""
    rest = Rest(value, _RESPONSES, where)
    kind = rest.members.get("type", "message")
    if kind == "message":
        return read_message(rest)
    if kind == "function_call":
        del rest.members["type"]
        call = Call(rest.need("call_id", str), rest.need("name", str), rest.take("arguments", str) or "")
        return [_restored(call, rest)]
    if kind == "reasoning":
        return [_reasoning(rest)]
    assert isinstance(value, dict)
    return [Foreign(str(kind), Own(_RESPONSES, value))]


def _restored(part: Call | Text, rest: Rest) -> Part:
    """The part with its own members, or as another dialect said it where the item brings that along."""
    kept = rest.members.pop(annex.MEMBER, None)
    part.own = rest.own()
    if kept is not None:
        restored = annex.restore([part], kept)
        if len(restored) == 1:
            return restored[0]
    return part


def read_message(rest: Rest) -> list[Part]:
    """The parts of a message; the first one knows the message's own members."""
    message: Json = {"typed": rest.members.pop("type", None) is not None}
    rest.members.pop("role", None)
    content = rest.members.pop("content", None)
    if isinstance(content, str):
        message["plain"] = True
        parts: list[Part] = [Text(content)]
    elif isinstance(content, list):
        parts = [read_part(part, f"{rest.path('content')}[{at}]") for at, part in enumerate(content)]
    else:
        raise wrong(rest.path("content"), "must be a string or a list of parts")
    if not parts:
        message["empty"] = True
        parts = [Text("")]
    message["members"] = rest.members
    first = parts[0]
    assert isinstance(first, Text | Media | Declined | Foreign)
    own = first.own or Own(_RESPONSES, {})
    if own.dialect is not _RESPONSES:
        return parts  # said in another dialect: its message is written as a new one
    first.own = own
    own.spelling["message"] = message
    return parts


def read_part(value: object, where: str) -> Part:
    """One content part. Raises RequestError (invalid_field)."""
    rest = Rest(value, _RESPONSES, where)
    kind = rest.need("type", str)
    if kind in ("input_text", "output_text"):
        text = Text(rest.need("text", str))
        if kind == "input_text":
            text.cache = _cache(rest)
        return _restored(text, rest)
    if kind == "refusal":
        return Declined(rest.need("refusal", str), rest.own())
    if kind == "input_image":
        return _image(rest)
    if kind == "input_file":
        return _file(rest)
    assert isinstance(value, dict)
    return Foreign(kind, Own(_RESPONSES, value))


def _cache(rest: Rest) -> Cache | None:
    if (point := rest.take("prompt_cache_breakpoint", dict)) is None:
        return None
    rest.spelling["breakpoint"] = point
    return Cache()


def _image(rest: Rest) -> Media:
    url, file = rest.take("image_url", str), rest.take("file_id", str)
    media = Media(Kind.IMAGE, file=file, detail=rest.take("detail", str), cache=_cache(rest))
    if url is not None:
        _address(media, url)
    media.own = rest.own()
    return media


def _address(media: Media, url: str) -> None:
    inline = split_data_url(url)
    if inline is None or not inline[0]:
        media.url = url
    else:
        media.mime, media.data = inline


def _file(rest: Rest) -> Media:
    media = Media(Kind.DOCUMENT, url=rest.take("file_url", str), file=rest.take("file_id", str))
    media.name, media.cache = rest.take("filename", str), _cache(rest)
    if (data := rest.take("file_data", str)) is not None:
        inline = split_data_url(data)
        if inline is None or not inline[0]:
            media.data = data
            rest.spelling["bare"] = True
        else:
            media.mime, media.data = inline
    media.own = rest.own()
    return media


def _reasoning(rest: Rest) -> Part:
    del rest.members["type"]
    sealed = rest.members.get("encrypted_content")
    if sealed == SEAL:
        del rest.members["encrypted_content"]
    elif isinstance(sealed, str) and sealed.startswith(SEAL):
        try:
            part: Part = msgspec.json.decode(base64.b64decode(sealed.removeprefix(SEAL)), type=Part)
        except ValueError:  # msgspec.ValidationError and binascii.Error are such
            raise wrong(rest.path("encrypted_content"), "is not what was sent") from None
        return part
    said: list[str] = []
    for name, kind in (("summary", "summary_text"), ("content", "reasoning_text")):
        held = rest.take(name, list)
        if held is None:
            continue
        texts = [_text_of(one, kind, rest.path(name)) for one in held]
        rest.spelling[name] = [len(text) for text in texts]
        said += texts
    thought = Thought(BETWEEN.join(said), rest.take("encrypted_content", str))
    thought.origin = _RESPONSES if thought.signature is not None else None
    thought.own = rest.own()
    return thought


def _text_of(value: object, kind: str, where: str) -> str:
    if not isinstance(value, dict) or value.get("type") != kind or set(value) != {"type", "text"}:
        raise wrong(where, f"must hold parts of type {kind}")
    if not isinstance(text := value["text"], str):
        raise wrong(where, "must hold text")
    return text


def read_result(value: object, where: str) -> Result:
    """A `function_call_output` item. Raises RequestError (invalid_field)."""
    rest = Rest(value, _RESPONSES, where)
    del rest.members["type"]
    output = rest.members.pop("output", None)
    result = Result(rest.need("call_id", str), [])
    if isinstance(output, str):
        result.parts = [Text(output)]
    elif isinstance(output, list):
        result.plain = False
        result.parts = [read_part(part, f"{rest.path('output')}[{at}]") for at, part in enumerate(output)]
    else:
        raise wrong(rest.path("output"), "must be a string or a list of parts")
    result.own = rest.own()
    return result


# -- writing ------------------------------------------------------------------------------------------------


def write_items(parts: Iterable[Part], ids: str | None) -> list[Json]:
    """The parts of the model as items. `ids`: what new ids end in, for answers; None in requests."""
    items: list[Json] = []
    message: Json | None = None
    for part in parts:
        if not isinstance(part, Text | Declined | Media) or (ids is not None and isinstance(part, Media)):
            message = None
            items.append(write_item(part, ids, len(items)))
            continue
        held = spelt(part.own, _RESPONSES, "message")
        if message is None or held is not None:
            message = new_message(held, ids, len(items))
            items.append(message)
        if held is not None and held.get("plain"):
            message["content"] = getattr(part, "text", "")
        elif held is None or not held.get("empty"):
            message["content"].append(write_part(part, said=True, answer=ids is not None))
    return items


def new_message(held: Json | None, ids: str | None, at: int) -> Json:
    """A message item without content, as it was read or new."""
    if held is not None:
        message: Json = {"type": "message"} if held["typed"] else {}
        message |= {"role": "assistant", "content": []}
        message.update(held["members"])
        return message
    message = {"type": "message", "role": "assistant", "content": []}
    if ids is not None:
        message |= {"id": f"msg_{ids}_{at}", "status": "completed"}
    return message


def write_item(part: Part, ids: str | None, at: int) -> Json:
    """A part that is an item of its own."""
    if isinstance(part, Call):
        item: Json = {"type": "function_call", "call_id": part.id, "name": part.name}
        item["arguments"] = part.arguments
        if part.own is not None and part.own.dialect is _RESPONSES:
            return put_back(item, part.own, _RESPONSES)
        if ids is not None:
            item |= {"id": f"fc_{ids}_{at}", "status": "completed"}
            if (kept := annex.for_parts([part], _RESPONSES)) is not None:
                item[annex.MEMBER] = kept
        return item
    if isinstance(part, Thought) and (ids is None or not _foreign(part)):
        return write_thought(part, ids, at)
    if isinstance(part, Foreign) and part.own.dialect is _RESPONSES:
        return part.own.members
    item = {"id": f"rs_{ids}_{at}", "type": "reasoning", "summary": []}
    if isinstance(part, Thought) and part.text:
        item["summary"] = [{"type": "summary_text", "text": part.text}]
    return item | {"encrypted_content": sealed(part)}


def sealed(part: Part) -> str:
    """`encrypted_content` that holds a part of another dialect."""
    return SEAL + base64.b64encode(msgspec.json.encode(part)).decode()


def _foreign(thought: Thought) -> bool:
    """Whether it holds what only another provider can read."""
    return thought.origin is not _RESPONSES and (thought.signature is not None or thought.sealed is not None)


def write_thought(part: Thought, ids: str | None, at: int) -> Json:
    """A reasoning item."""
    item: Json = {"type": "reasoning"}
    own = part.own
    lengths = {name: spelt(own, _RESPONSES, name) for name in ("summary", "content")}
    texts = _cut(part.text, [*(lengths["summary"] or ()), *(lengths["content"] or ())])
    if texts is None or own is None or own.dialect is not _RESPONSES:
        item["summary"] = [{"type": "summary_text", "text": part.text}] if part.text else []
    else:
        summary = len(lengths["summary"] or ())
        if lengths["summary"] is not None:
            item["summary"] = [{"type": "summary_text", "text": text} for text in texts[:summary]]
        if lengths["content"] is not None:
            item["content"] = [{"type": "reasoning_text", "text": text} for text in texts[summary:]]
    if part.signature is not None and part.origin is _RESPONSES:
        item["encrypted_content"] = part.signature
    elif ids is not None and (own is None or own.dialect is not _RESPONSES):
        item["encrypted_content"] = SEAL  # nothing is sealed, but OpenAI knows no such item
    if ids is not None and (own is None or own.dialect is not _RESPONSES):
        item["id"] = f"rs_{ids}_{at}"
    return put_back(item, own, _RESPONSES)


def _cut(text: str, lengths: list[int]) -> list[str] | None:
    """The text in its pieces; None where it is not what was read."""
    if not lengths:
        return [] if not text else None
    pieces, at = [], 0
    for length in lengths:
        pieces.append(text[at : at + length])
        at += length + len(BETWEEN)
    return pieces if BETWEEN.join(pieces) == text else None


def write_part(part: Part, *, said: bool, answer: bool = False) -> Json:
    """A content part; `said` by the model, in an `answer` with all members that are required there."""
    if isinstance(part, Text):
        return _write_text(part, said=said, answer=answer)
    if isinstance(part, Declined):
        return put_back({"type": "refusal", "refusal": part.text}, part.own, _RESPONSES)
    if isinstance(part, Media):
        return put_back(_write_media(part, said=said), part.own, _RESPONSES)
    assert isinstance(part, Foreign), part
    return part.own.members


def _write_text(part: Text, *, said: bool, answer: bool) -> Json:
    value: Json = {"type": "output_text" if said else "input_text", "text": part.text}
    own = part.own
    if own is not None and own.dialect is _RESPONSES:
        if (logprobs := own.spelling.get("logprobs")) is not None:
            value["logprobs"] = logprobs
        if (point := own.spelling.get("breakpoint")) is not None and part.cache is not None:
            value["prompt_cache_breakpoint"] = point
        return value | own.members
    if said:
        value["annotations"] = cited(part)
    if answer:
        value["logprobs"] = []
        if (kept := annex.for_parts([part], _RESPONSES)) is not None:
            value[annex.MEMBER] = kept
    return value


def _write_media(media: Media, *, said: bool) -> Json:
    if media.text is not None:
        return {"type": "output_text" if said else "input_text", "text": media.text}
    image = media.kind is Kind.IMAGE
    value: Json = {"type": "input_image" if image else "input_file"}
    if media.data is not None:
        bare = spelt(media.own, _RESPONSES, "bare")
        inline = media.data if bare else data_url(media.mime, media.data)
        value["image_url" if image else "file_data"] = inline
    if media.url is not None:
        value["image_url" if image else "file_url"] = media.url
    optional = {"file_id": media.file, "detail": media.detail, "filename": None if image else media.name}
    value.update((name, one) for name, one in optional.items() if one is not None)
    if image and media.detail is None and (media.own is None or media.own.dialect is not _RESPONSES):
        value["detail"] = "auto"
    if (point := spelt(media.own, _RESPONSES, "breakpoint")) is not None:
        value["prompt_cache_breakpoint"] = point
    return value


def write_result(result: Result) -> Json:
    """A `function_call_output` item."""
    texts = [part.text for part in result.parts if isinstance(part, Text)]
    output: str | list[Json] = "".join(texts)
    if not result.plain or len(texts) != len(result.parts):
        output = [write_part(part, said=False) for part in result.parts]
    item: Json = {"type": "function_call_output", "call_id": result.id, "output": output}
    return put_back(item, result.own, _RESPONSES)
