"""OpenAI's JSON: few fields read, nothing else touched, nothing read in two ways, nothing answered 500."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload import errors
from baseload.core import TokenPrice, Tokens
from baseload.errors import RequestError
from baseload.money import token_cost
from baseload.wire.openai import (
    MAX_SHAPE,
    MAX_SHAPES,
    SHORT_BODY,
    Answer,
    ErrorDetail,
    RequestFields,
    _shapes,
    _WireFields,
    error_body,
    is_error,
    patch_request,
    read_answer,
    read_request,
    rename_answer,
)

SPACES = st.text(" \t\r\n", max_size=3)
STRINGS = st.text(max_size=8) | st.sampled_from(
    ['"model":"x"', "stream", '{"model":', "\\", "\\u006dodel", "é\U0001f600"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STRINGS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(STRINGS | st.sampled_from(["model", "stream", "stream_options"]), inner, max_size=3)
    ),
    max_leaves=8,
)
OPTIONS = st.none() | st.fixed_dictionaries(
    {}, optional={"include_usage": st.sampled_from([True, False, None]), "other": VALUES}
)
BODIES = st.fixed_dictionaries(
    {"model": STRINGS, "messages": st.lists(VALUES, max_size=3)},
    optional={
        "stream": st.sampled_from([True, False, None]),
        "max_tokens": st.none() | st.integers(1, 9999),
        "n": st.integers(1, 9),
        "stream_options": OPTIONS,
        "tools": st.just([{"function": {"parameters": {"properties": {"model": {"type": "string"}}}}}]),
        "extra": VALUES,
    },
)


@st.composite
def written(
    draw: st.DrawFn, bodies: st.SearchStrategy[dict[str, Any]] = BODIES
) -> tuple[dict[str, Any], bytes]:
    """A body, and one of the ways to write it: order, white space, escapes."""
    body = draw(bodies)
    ascii_only = draw(st.booleans())
    members = []
    for name in draw(st.permutations(list(body))):
        key = json.dumps(name)
        if draw(st.booleans()) and draw(st.booleans()):
            key = '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"'
        value = json.dumps(body[name], ensure_ascii=ascii_only, indent=draw(st.none() | st.integers(0, 2)))
        spaces = [draw(SPACES) if draw(st.booleans()) else "" for _ in range(4)]
        members.append(f"{spaces[0]}{key}{spaces[1]}:{spaces[2]}{value}{spaces[3]}")
    text = "{" + ",".join(members) + "}"
    if draw(st.booleans()):
        text = draw(SPACES) + text + draw(SPACES)
    return body, text.encode("utf-8", "surrogatepass")


def refused(body: bytes) -> RequestError:
    """How a body is refused."""
    with pytest.raises(RequestError) as caught:
        read_request(body)
    assert caught.value.fault.status == 400
    return caught.value


@settings(max_examples=200, deadline=None)
@given(written())
def test_fields_are_read_however_they_are_written(drawn: tuple[dict[str, Any], bytes]) -> None:
    """Order, white space and escapes change nothing; values that only look like fields are not read."""
    body, text = drawn
    fields = read_request(text)
    assert fields.model == body["model"]
    assert fields.stream == body.get("stream")
    assert fields.max_tokens == body.get("max_tokens")
    assert fields.n == body.get("n")
    options = body.get("stream_options")
    assert fields.wants_usage == bool(options and options.get("include_usage"))


@settings(max_examples=200, deadline=None)
@given(written(), st.none() | STRINGS, st.booleans())
def test_patching_changes_nothing_else(
    drawn: tuple[dict[str, Any], bytes], model: str | None, add_usage: bool
) -> None:
    """The target gets its model's name and the wish for usage; every other byte is the client's."""
    body, text = drawn
    fields = read_request(text)
    patched = patch_request(text, fields, model=model, add_usage=add_usage)
    expected = dict(body)
    if model is not None:
        expected["model"] = model
    if add_usage:
        expected["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    assert json.loads(patched) == expected
    again = read_request(patched)
    assert _without(patched, again.value_spans(), {"model", "stream_options"}) == _without(
        text, fields.value_spans(), {"model", "stream_options"}
    )


def _without(body: bytes, spans: dict[str, tuple[int, int]], names: set[str]) -> bytes:
    """The body with the values at `names` emptied, and an inserted `stream_options` taken out."""
    for name in sorted(names & spans.keys(), key=lambda name: -spans[name][0]):
        start, end = spans[name]
        body = body[:start] + body[end:]
    return body.replace(b',"stream_options":', b"", 1) if body.count(b"stream_options") else body


def test_patching_nothing_is_the_same_bytes() -> None:
    """A target that knows the model by the client's name gets the client's bytes."""
    body = b'{ "messages" : [], "model":"m" }'
    fields = read_request(body)
    assert patch_request(body, fields, model=None, add_usage=False) == body
    assert patch_request(body, fields, model="m", add_usage=False) == body


def test_patching_by_example() -> None:
    """What a target is sent, byte for byte."""
    body = b'{"model":"chat","messages":[{"model":"x"}],"stream":true}'
    fields = read_request(body)
    assert patch_request(body, fields, model="m", add_usage=True) == (
        b'{"model":"m","stream_options":{"include_usage":true},"messages":[{"model":"x"}],"stream":true}'
    )
    body = b'{"stream_options": null, "model": "chat", "stream": true}'
    fields = read_request(body)
    assert patch_request(body, fields, model="m", add_usage=True) == (
        b'{"stream_options": {"include_usage":true}, "model": "m", "stream": true}'
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"model":"a","model":"a"}', "model"),
        (b'{"model":"a","mod\\u0065l":"b"}', "model"),
        (b'{"\\u006d\\u006f\\u0064el":"a", "model":"b"}', "model"),
        (b'{"model":"a","stream":true,"stream":null}', "stream"),
        (b'{"model":"a","stream":null,"stream":true}', "stream"),
        (b'{"model":"a","max_tokens":1,"max_tokens":1000}', "max_tokens"),
        (b'{"model":"a","max_tokens":1000,"max_tokens":1}', "max_tokens"),
        (b'{"model":"a","n":12,"x":0,"n":1}', "n"),
        (b'{"model":"a","stream_options":{},"stream_options":null}', "stream_options"),
        (b'{"model":"a","messages":[],"messages":[1]}', "messages"),
        (b'{"model":"a","x":"\\"","y":1,"x":2}', "x"),
        (b'{"model":"a","x":"b\\",\\"y\\":1","y":1,"x":"b"}', "x"),
        ('{"model":"a","é":1,"\\u00e9":2}'.encode(), "é"),
        (b'{"model":"a" , "n":1,\n"n":1}', "n"),
    ],
)
def test_repeated_keys_are_refused(body: bytes, param: str) -> None:
    """A key sent twice, in whatever spelling and however the values lie, is refused by name."""
    error = refused(body)
    assert (error.fault, error.param) == (errors.DUPLICATE_KEY, param)


@settings(max_examples=150, deadline=None)
@given(written(), st.data())
def test_any_repetition_is_refused(drawn: tuple[dict[str, Any], bytes], data: st.DataObject) -> None:
    """Whichever member comes again, with whatever value, in front or at the end."""
    body, text = drawn
    name = data.draw(st.sampled_from(sorted(body)))
    again = f"{json.dumps(name)}:{json.dumps(data.draw(st.just(body[name]) | VALUES))}".encode()
    inside = text.strip()[1:-1]
    twice = data.draw(st.sampled_from([b"{%b,%b}" % (inside, again), b"{%b,%b}" % (again, inside)]))
    assert refused(twice).fault in (errors.DUPLICATE_KEY, errors.INVALID_FIELD)


@pytest.mark.parametrize(
    ("body", "fault", "param"),
    [
        (b'{"model":"a","MODEL":"b"}', errors.DUPLICATE_KEY, "model"),
        (b'{"Model":"b","model":"a"}', errors.DUPLICATE_KEY, "model"),
        (b'{"model":"a","mod\\u0045l":"b"}', errors.DUPLICATE_KEY, "model"),
        (b'{"model":"a","max_tokens":1,"Max_Tokens":1000}', errors.DUPLICATE_KEY, "max_tokens"),
        (b'{"model":"a", "Stream":true}', errors.INVALID_FIELD, "stream"),
        (b'{"MODEL":"a"}', errors.INVALID_FIELD, "model"),
        (b'{"model":"a","N":5}', errors.INVALID_FIELD, "n"),
        ('{"model":"a","\u017ftream":true}'.encode(), errors.INVALID_FIELD, "stream"),
        ('{"model":"a","max_to\u212aens":9}'.encode(), errors.INVALID_FIELD, "max_tokens"),
        (
            b'{"model":"a","stream_options":{"include_usage":true,"INCLUDE_USAGE":false}}',
            errors.DUPLICATE_KEY,
            "stream_options.include_usage",
        ),
        (
            b'{"model":"a","stream_options":{"Include_usage":false}}',
            errors.INVALID_FIELD,
            "stream_options.include_usage",
        ),
    ],
)
def test_keys_in_other_letters_are_refused(body: bytes, fault: errors.Fault, param: str) -> None:
    """A server whose JSON ignores case would take them for the key we read: refused by that key's name."""
    error = refused(body)
    assert (error.fault, error.param) == (fault, param)


def test_other_keys_are_the_clients_own() -> None:
    """Capitals in keys that we do not read, on whatever level, pass."""
    body = b'{"model":"a","User":1,"Messages":[],"metadata":{"MODEL":"b"},"stream_options":{"X":1}}'
    assert read_request(body).model == "a"


def test_a_nested_key_is_no_repetition() -> None:
    """`model` in a tool's schema or a message is the client's own business."""
    body = b'{"model":"a","tools":[{"model":"b","stream":1}],"messages":[{"content":"\\"model\\":\\"c\\""}]}'
    assert read_request(body).model == "a"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "model"),
        (b'{"model":null}', "model"),
        (b'{"model":5}', "model"),
        (b'{"model":["a"]}', "model"),
        (b'{"model":"a","stream":"yes"}', "stream"),
        (b'{"model":"a","stream":1}', "stream"),
        (b'{"model":"a","max_tokens":"5"}', "max_tokens"),
        (b'{"model":"a","max_tokens":0}', "max_tokens"),
        (b'{"model":"a","max_tokens":-1}', "max_tokens"),
        (b'{"model":"a","max_tokens":1.5}', "max_tokens"),
        (b'{"model":"a","max_tokens":true}', "max_tokens"),
        (b'{"model":"a","max_tokens":2147483648}', "max_tokens"),
        (b'{"model":"a","max_completion_tokens":1%b}' % (b"0" * 400), "max_completion_tokens"),
        (b'{"model":"a","max_completion_tokens":1%b}' % (b"0" * 9000), "max_completion_tokens"),
        (b'{"model":"a","max_tokens":1e999}', "max_tokens"),
        (b'{"model":"a","n":0}', "n"),
        (b'{"model":"a","n":70000}', "n"),
        (b'{"model":"a","stream_options":[]}', "stream_options"),
        (b'{"model":"a","stream_options":{"include_usage":"yes"}}', "stream_options.include_usage"),
        (b"[]", None),
        (b"[" * 100_000, None),
        (b'"model"', None),
        (b"null", None),
        (b"1", None),
    ],
)
def test_wrong_fields_are_named(body: bytes, param: str | None) -> None:
    """A field of the wrong type or size is refused with its name, as OpenAI's API does."""
    error = refused(body)
    assert (error.fault, error.param) == (errors.INVALID_FIELD, param)
    assert json.loads(error_body(error, "id"))["error"]["param"] == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not JSON",
        b'{"model":"a"}}',
        b'{"model":"a"}{"model":"b"}',
        b'{"model":"a",}',
        b"{'model':'a'}",
        b'{"model":"a","x":NaN}',
        b'{"model":"a","x":Infinity}',
        b'{"model":"a","x":01}',
        b'{"model":"a","x":"\n"}',
        b'{"model":"a","x":"\\q"}',
        b'{"model":"a" /* no */}',
        b'\xef\xbb\xbf{"model":"a"}',
        '{"model":"a"}'.encode("utf-16"),
        b'{"model":"\xff"}',
        b'{"model":"a","x":"\xff"}',
        b'{"model":"a","\xff":1}',
        b'{"model":"a","x":"\xed\xa0\x80"}',
        b'{"model":"\\ud800"}',
        b'{"model":"a","x":"\\ud800"}',
        b'{"model":"a","\\udfff":1}',
        b'{"model":"a","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"model":"a","x":' + b'{"y":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        b'{"model":"a",%b}' % b",".join(b'"%d":1' % number for number in range(2000)),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """Broken JSON, other encodings, endless depth and keys without number are 400."""
    assert refused(body).fault is errors.INVALID_JSON


def test_hostile_bodies_take_bounded_time() -> None:
    """A million keys, nested or not, and numbers of a million digits take seconds at the very most."""
    many = b",".join(b'"k%d":1' % number for number in range(1_000_000))
    begun_s = time.process_time()
    refused(b'{"model":"a",%b}' % many)
    assert read_request(b'{"model":"a","x":{%b}}' % many).model == "a"
    assert read_request(b'{"model":"a","x":%b}' % (b"1" * 1_000_000)).model == "a"
    refused(b'{"model":"a","n":%b}' % (b"1" * 1_000_000))
    assert read_request(b'{"model":"a","x":"%b"}' % (b'\\"model\\":' * 500_000)).model == "a"
    assert time.process_time() - begun_s < 5


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A body with one byte replaced by others."""
    text = draw(written())[1]
    at = draw(st.integers(0, len(text) - 1))
    return text[:at] + draw(st.binary(max_size=2)) + text[at + 1 :]


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60) | damaged())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but a RequestError comes out of any bytes, and what is read can be patched."""
    try:
        fields = read_request(body)
    except RequestError:
        return
    json.loads(patch_request(body, fields, model="other", add_usage=True))


@pytest.mark.parametrize("padding", [0, SHORT_BODY])
@pytest.mark.parametrize("value", ["1", '"x"', '{"model":[0,4]}', '{"model":[37,47],"x":[1,2]}', "null"])
@pytest.mark.parametrize("name", [*RequestFields.__struct_fields__, "value_spans", "output_bound", "_shape"])
def test_no_key_reaches_what_is_ours(name: str, value: str, padding: int) -> None:
    """A key with the name of something of ours is the client's own: passed through, patched as ever."""
    if name in _WireFields.__struct_fields__:
        return
    body = b'{"model":"chat","pad":"%b","%b":%b}' % (b"0" * padding, name.encode(), value.encode())
    fields = read_request(body)
    assert (fields.model, fields.spans) == ("chat", None)
    patched = patch_request(body, fields, model="real-model", add_usage=False)
    assert patched == body.replace(b'"chat"', b'"real-model"', 1)


def test_what_is_remembered_of_bodies_is_bounded() -> None:
    """Neither many shapes of bodies nor long keys stay in memory."""
    _shapes.clear()
    for number in range(3 * MAX_SHAPES):
        read_request(b'{"model":"chat","k%d":1}' % number)
        read_request(b'{"model":"chat","%b":1}' % (b"k" * (2 * MAX_SHAPE + number)))
    assert len(_shapes) <= MAX_SHAPES
    assert max(sum(map(len, names)) for names in _shapes) <= MAX_SHAPE


def test_bounds_over_all_choices() -> None:
    """The newer bound wins, and each choice may have as many tokens."""
    fields = read_request(b'{"model":"a","max_tokens":5,"max_completion_tokens":7,"n":3}')
    assert fields.output_bound == 21
    assert read_request(b'{"model":"a","n":3}').output_bound is None


def test_usage() -> None:
    """Usage as providers write it, in our own terms; what is not there counts 0."""
    answer = read_answer(
        b'{"usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,'
        b'"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}'
    )
    assert answer is not None
    assert answer.usage is not None
    assert answer.usage.tokens() == Tokens(input=10, cached_input=4, output=7, reasoning=3)
    embedded = read_answer(b'{"data":[],"usage":{"prompt_tokens":10,"total_tokens":10}}')
    assert embedded is not None
    assert embedded.usage is not None
    assert embedded.usage.tokens() == Tokens(input=10)


@pytest.mark.parametrize(
    "usage",
    [
        "5",
        "[]",
        '"many"',
        '{"prompt_tokens":null}',
        '{"prompt_tokens":1.5}',
        '{"prompt_tokens":-1}',
        '{"prompt_tokens":1,"completion_tokens":-1}',
        '{"prompt_tokens":2147483648}',
        '{"prompt_tokens":9223372036854775808}',
        '{"prompt_tokens":18446744073709551615}',
        '{"prompt_tokens":1,"completion_tokens":1%s}' % ("0" * 400),
        '{"prompt_tokens":9,"prompt_tokens_details":[]}',
        '{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":0.5}}',
        '{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":-3}}',
        '{"prompt_tokens":9,"completion_tokens_details":{"reasoning_tokens":"3"}}',
    ],
)
def test_useless_usage_spoils_no_answer(usage: str) -> None:
    """A good answer stays one whatever its usage is; counts beyond 0 to 2^31 - 1 are no usage."""
    assert read_answer(b'{"choices":[],"usage":%b}' % usage.encode()) == Answer()
    failed = read_answer(b'{"usage":%b,"error":{"message":"no","code":"x"}}' % usage.encode())
    assert failed == Answer(error=ErrorDetail(message="no", code="x"))


COUNTS: st.SearchStrategy[object] = (
    st.integers(0, 2**31 - 1)
    | st.integers(-(2**65), 2**65)
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just([])
)
PRICES = st.integers(0, 10**12)


@given(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), PRICES, PRICES, PRICES)
def test_no_usage_costs_less_than_nothing(
    counts: tuple[object, ...], p_input: int, p_output: int, p_cached: int
) -> None:
    """Whatever a target reports, parts stay within their whole and the cost is not negative."""
    prompt, completion, cached, reasoning = counts
    report = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    answer = read_answer(json.dumps({"usage": report}).encode())
    assert answer is not None
    if answer.usage is not None:
        tokens = answer.usage.tokens()
        assert 0 <= tokens.cached_input <= tokens.input
        assert 0 <= tokens.reasoning <= tokens.output
        cost = token_cost(tokens, TokenPrice(p_input, p_output, cached_input=p_cached))
        assert cost is not None
        assert cost >= 0


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"usage":', b"\xff", b"[" * 100_000])
def test_answers_that_are_none(body: bytes) -> None:
    """An answer that cannot be read is None, whatever it is."""
    assert read_answer(body) is None
    assert not is_error(body)


def test_renaming_is_one_splice() -> None:
    """The answer names the model that was asked for; a dated variant and an unknown name stay."""
    assert rename_answer(b'{"id":"x","model":"m","y":1}', "m", "chat") == b'{"id":"x","model":"chat","y":1}'
    assert rename_answer(b'{"model": "m"}', "m", "chat") == b'{"model":"chat"}'
    for answer in (b'{"model":"m-2026-01-01"}', b'{"content":"\\"model\\":\\"m\\""}'):
        assert rename_answer(answer, "m", "chat") == answer
    assert rename_answer(b'{"model":"m"}', None, "chat") == b'{"model":"m"}'


def _exchanges(shared: Path, *names: str) -> list[dict[str, Any]]:
    folder = shared / "fixtures" / "exchanges"
    lines = [line for name in names for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_recorded_requests(shared: Path) -> None:
    """What real SDKs send is read, in compact and in spaced JSON, and reaches the target unchanged but for
    the patch."""
    seen = 0
    for exchange in _exchanges(shared, "openai_chat", "openai_compatible", "openai_completions"):
        request = exchange.get("request")
        if not isinstance(request, dict) or "model" not in request or exchange["status"] != 200:
            continue
        seen += 1
        for separators in ((",", ":"), (", ", ": ")):
            body = json.dumps(request, separators=separators).encode()
            fields = read_request(body)
            assert (fields.model, bool(fields.stream)) == (request["model"], bool(request.get("stream")))
            patched = patch_request(body, fields, model="ours", add_usage=bool(fields.stream))
            expected = {**request, "model": "ours"}
            if fields.stream:
                expected["stream_options"] = {**(request.get("stream_options") or {}), "include_usage": True}
            assert json.loads(patched) == expected
    assert seen > 90


def test_recorded_answers(shared: Path) -> None:
    """Usage of real answers is found, their errors too, and renaming leaves the rest byte for byte."""
    usages = 0
    names = ("openai_chat", "openai_compatible", "openai_completions", "openai_embeddings", "openai_errors")
    for exchange in _exchanges(shared, *names):
        response = exchange.get("response")
        if exchange["stream"] or not isinstance(response, dict):
            continue
        body = json.dumps(response, separators=(",", ":"), ensure_ascii=False).encode()
        answer = read_answer(body)
        assert answer is not None, exchange["id"]
        assert (answer.error is not None) == bool(response.get("error")) == is_error(body)
        if response.get("usage"):
            usages += 1
            assert answer.usage is not None
            assert answer.usage.prompt_tokens == response["usage"].get("prompt_tokens", 0)
        renamed = json.loads(rename_answer(body, response.get("model"), "chat"))
        assert renamed == ({**response, "model": "chat"} if "model" in response else response)
    assert usages > 60
