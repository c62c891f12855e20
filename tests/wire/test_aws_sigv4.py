"""Signatures are botocore's, byte for byte, for whatever may stand in a request."""

from __future__ import annotations

import random
import string
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import botocore.session
import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from baseload.wire.aws_sigv4 import (
    AwsKeys,
    Scope,
    Signer,
    Unsigned,
    canonical_path,
    canonical_query,
    encode_segment,
    sign,
)

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
BEDROCK = Scope("us-east-1", "bedrock")
NOW_S = 1_790_000_000
ODD = string.ascii_letters + string.digits + "-_.~:/@!$&'()*+,;= \"<>[]{}|\\^`%#?äß漢"
PRINTABLE = "".join(map(chr, range(32, 127)))
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """A query as a client encodes it for AWS: unreserved characters alone stand for themselves."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)


def theirs(request: Unsigned, keys: AwsKeys, scope: Scope, now_s: float) -> dict[str, str]:
    """The headers that botocore adds, by lower-case name."""
    url = f"https://{HOST}{request.path}" + (f"?{request.query}" if request.query else "")
    signed = AWSRequest(request.method, url, data=request.body)
    for name, value in request.fields:
        signed.headers.add_header(name, value)
    clock = pytest.MonkeyPatch()
    clock.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(int(now_s), UTC))
    with clock.context():
        signer = auth.SigV4Auth(
            Credentials(keys.access_key, keys.secret_key, keys.token or None), scope.service, scope.region
        )
        signer.add_auth(signed)
    clock.undo()
    names = ("x-amz-date", "x-amz-security-token", "authorization")
    return {name: signed.headers[name] for name in names if name in signed.headers}


def ours(lines: bytes) -> dict[str, str]:
    """Header lines as a mapping; each ends with CRLF and nothing follows."""
    *rows, last = lines.decode().split("\r\n")
    assert last == ""
    return dict(row.split(": ", 1) for row in rows)


def random_request(rng: random.Random) -> Unsigned:
    """Any method, odd characters in path and query, repeated and padded headers, up to 4 KiB of body."""
    segments = ["".join(rng.choices(ODD, k=rng.randint(0, 12))) for _ in range(rng.randint(0, 5))]
    segments += rng.choices(["", ".", "..", "converse"], k=rng.randint(0, 2))
    rng.shuffle(segments)
    pairs = [
        ("".join(rng.choices(ODD, k=rng.randint(1, 6))), "".join(rng.choices(ODD, k=rng.randint(0, 8))))
        for _ in range(rng.randint(0, 5))
    ]
    pairs += rng.choices(pairs, k=rng.randint(0, 2)) if pairs else []
    fields = [("Host", HOST)]
    for _ in range(rng.randint(0, 6)):
        name = rng.choice(["Content-Type", "X-Amz-Target", "x-b", "X-C", "User-Agent", "TE", "Accept"])
        value = "".join(rng.choices(PRINTABLE + "   ", k=rng.randint(0, 20)))
        fields.append((name, value))
    return Unsigned(
        rng.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]),
        "/" + "/".join(encode_segment(segment) for segment in segments),
        encode_query(pairs),
        tuple(fields),
        rng.randbytes(rng.choice([0, 0, 1, 100, 4096])),
    )


def random_keys(rng: random.Random) -> AwsKeys:
    """Lasting keys or temporary ones with a session token."""
    letters = string.ascii_letters + string.digits + "+/="
    token = "".join(rng.choices(letters, k=300)) if rng.random() < 0.5 else ""
    return AwsKeys(
        "".join(rng.choices(string.ascii_uppercase, k=20)), "".join(rng.choices(letters, k=40)), token
    )


def test_500_random_requests_are_signed_as_botocore_signs_them() -> None:
    """Methods, paths, queries, headers, bodies, session tokens, regions, services and dates from one seed."""
    rng = random.Random(4)
    for _ in range(500):
        request, keys = random_request(rng), random_keys(rng)
        scope = Scope(rng.choice(["us-east-1", "eu-west-3"]), rng.choice(["bedrock", "sts", "sagemaker"]))
        now_s = rng.randint(0, 4_000_000_000) + rng.random()
        assert theirs(request, keys, scope, now_s) == ours(sign(request, keys, scope, now_s)), request


@given(
    st.lists(TEXT, max_size=4),
    st.lists(
        st.tuples(TEXT.filter(bool), TEXT),
        max_size=4,
    ),
    st.binary(max_size=64),
    st.integers(0, 4_000_000_000),
)
def test_any_text_in_path_and_query_is_signed_as_botocore_signs_it(
    segments: list[str], pairs: list[tuple[str, str]], body: bytes, now_s: int
) -> None:
    """Whatever characters a model's name or a parameter holds, once encoded for the wire."""
    path = "/" + "/".join(encode_segment(segment) for segment in segments)
    request = Unsigned("POST", path, encode_query(pairs), (("host", HOST),), body)
    assert theirs(request, KEYS, BEDROCK, now_s) == ours(sign(request, KEYS, BEDROCK, now_s))


def test_a_models_id_is_encoded_once_on_the_wire_and_again_in_the_signature() -> None:
    """Bedrock's ids and ARNs hold `:` and `/`; each is one segment of the path."""
    arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-v1:0"
    segment = encode_segment(arn)
    assert segment == "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-3-v1%3A0"
    assert canonical_path(f"/model/{segment}/converse") == f"/model/{quote(segment)}/converse"
    assert "%253A" in canonical_path(f"/model/{segment}/converse")


class Sent(Exception):
    """What a client was about to send."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def sent_by_a_client(model: str) -> Any:
    """The request of AWS's own client for this model, caught before it leaves."""

    def catch(request: Any, **_: object) -> None:
        raise Sent(request)

    session = botocore.session.Session()
    session.set_credentials(KEYS.access_key, KEYS.secret_key, "session-token")
    client = session.create_client("bedrock-runtime", region_name="us-east-1")
    client.meta.events.register("before-send.bedrock-runtime", catch)
    with pytest.raises(Sent) as caught:
        client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "hello"}]}])
    return caught.value.request


@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-micro-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc+def",
    ],
)
def test_a_call_of_awss_own_client_is_signed_the_same(model: str) -> None:
    """Path on the wire and signature are those that AWS's client for Bedrock makes, ids and ARNs alike."""
    request = sent_by_a_client(model)
    path = urlsplit(request.url).path
    assert path == f"/model/{encode_segment(model)}/converse"
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    fields = tuple((name, headers.get(name, HOST)) for name in signed)
    at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    mine = ours(
        sign(
            Unsigned("POST", path, "", fields, request.body),
            KEYS._replace(token="session-token"),
            BEDROCK,
            at.timestamp(),
        )
    )
    assert mine["authorization"] == headers["authorization"]


def test_the_callers_own_date_token_and_authorization_are_replaced() -> None:
    """A request that is signed again carries one signature, whatever it carried before."""
    clean = Unsigned("POST", "/x", "", (("host", HOST),), b"{}")
    again = clean._replace(
        fields=(
            *clean.fields,
            ("X-Amz-Date", "old"),
            ("Authorization", "old"),
            ("X-Amz-Security-Token", "old"),
        )
    )
    keys = KEYS._replace(token="token")
    assert sign(clean, keys, BEDROCK, NOW_S) == sign(again, keys, BEDROCK, NOW_S)


def test_a_query_is_sorted_by_name_then_value() -> None:
    """Repeated names stand by their values, and a name alone gets its sign of equality."""
    assert canonical_query("b=2&a=3&b=1&c") == "a=3&b=1&b=2&c="


def test_a_signer_gives_over_midnight_what_a_fresh_one_gives() -> None:
    """The key of a day is kept, that of the next day is another."""
    request = Unsigned("POST", "/x", "", (("host", HOST),), b"{}")
    signer = Signer(KEYS, BEDROCK)
    midnight = NOW_S - NOW_S % 86_400
    for now_s in (midnight - 1, midnight - 0.5, midnight, midnight + 1, midnight - 1):
        assert sign(request, KEYS, BEDROCK, now_s) == signer.lines(request, now_s)


def test_no_text_of_keys_or_signer_shows_a_secret() -> None:
    """What lands in a log by accident names the key's id and no more."""
    keys = KEYS._replace(token="the-token")
    for text in (repr(keys), str(keys), f"{keys}", repr(Signer(keys, BEDROCK))):
        assert KEYS.secret_key not in text
        assert "the-token" not in text
        assert "AKIDEXAMPLE" in text
