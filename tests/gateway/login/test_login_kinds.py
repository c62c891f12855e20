"""What is particular to each kind: which source is asked, what is refused, which header carries it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from baseload.core import AwsLogin, EntraLogin, GoogleLogin, Side, Target
from baseload.gateway.login import KeyHeader, LoginFailed, Logins, login_of
from baseload.gateway.login import aws_keys as aws_keys_module
from baseload.gateway.login.assertion import rs256, thumbprint
from baseload.gateway.login.aws_keys import AwsSource
from baseload.gateway.login.bearer import LONGEST_LIFE_S, bearer
from baseload.gateway.login.clock import Clock
from baseload.gateway.login.google import GoogleSource, service_account
from baseload.gateway.login.sts import sts_url
from baseload.wire.aws_sigv4 import AwsKeys, Scope, Signer, Unsigned
from tests.gateway.login.at_work import CALL, LoginAtWork, key_file
from tests.gateway.login.clouds import AWS, CERTIFICATE_PEM, ROLE, SECRET, WALL_S, Answer, Clouds

Make = Callable[[str], LoginAtWork]
PROBE = Unsigned("GET", "/", "", (("host", "h"),), b"")


def metered(login: EntraLogin | GoogleLogin | AwsLogin | None, key: str = "", name: str = "cloud") -> Target:
    return Target(name, Side.METERED, "https://llm.example.com", credential=key, login=login)


def keys_of(env: Mapping[str, str], login: AwsLogin | None = None) -> bytes:
    """What the source of these settings signs a probe with."""
    source = AwsSource(login or AwsLogin("us-east-1"), Clock(lambda: WALL_S), env)
    return source.obtain().value.lines(PROBE, WALL_S)


def by(keys: AwsKeys) -> bytes:
    return Signer(keys, Scope("us-east-1", "bedrock")).lines(PROBE, WALL_S)


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        (KeyHeader.BEARER, b"authorization: Bearer sk-1\r\n"),
        (KeyHeader.X_API_KEY, b"x-api-key: sk-1\r\n"),
        (KeyHeader.API_KEY, b"api-key: sk-1\r\n"),
        (KeyHeader.X_GOOG_API_KEY, b"x-goog-api-key: sk-1\r\n"),
    ],
)
def test_a_lasting_key_stands_in_its_providers_header(header: KeyHeader, lines: bytes) -> None:
    """Always fresh, refused or not, and started without a thread."""
    login = login_of(metered(None, "sk-1"), header)
    login.start()
    login.refused(0)
    assert not login.saw_date("")
    assert login.wait_first(0)
    assert login.fresh(1e12)
    assert login.header_lines(CALL, 0) == lines
    login.stop()


def test_an_endpoint_without_a_key_gets_no_header() -> None:
    """`key: none` is no empty credential."""
    assert login_of(metered(None)).header_lines(CALL, 0) == b""


def test_a_call_is_signed_as_botocore_signs_it(make: Make) -> None:
    """Path, query, host, body and session token of the very request that goes out."""
    at_work = make("aws role")
    at_work.renewal.turn()
    mine = dict(line.split(": ", 1) for line in at_work.lines().decode().split("\r\n") if line)
    request = AWSRequest(CALL.method, f"https://{CALL.host}{CALL.path}", data=CALL.body)
    credentials = Credentials("ASIA1", "s3cret-1", "t0ken-1")
    clock = pytest.MonkeyPatch()
    clock.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(WALL_S, UTC))
    with clock.context():
        auth.SigV4Auth(credentials, "bedrock", "us-east-1").add_auth(request)
    clock.undo()
    assert mine == {
        "x-amz-date": request.headers["X-Amz-Date"],
        "x-amz-security-token": "t0ken-1",
        "authorization": request.headers["Authorization"],
    }


def test_the_date_of_a_targets_reply_corrects_what_is_signed(make: Make) -> None:
    """With lasting keys no token service tells the time: the target that refuses does, and once it helps."""
    at_work = make("aws role")
    at_work.renewal.turn()
    assert at_work.login.saw_date(formatdate(WALL_S + 900, usegmt=True))
    assert not at_work.login.saw_date(formatdate(WALL_S + 900, usegmt=True))
    stamp = datetime.fromtimestamp(WALL_S + 900, UTC).strftime("x-amz-date: %Y%m%dT%H%M%SZ")
    assert at_work.lines().decode().startswith(stamp)


def test_a_targets_date_is_nothing_to_a_token(make: Make) -> None:
    """A life is a duration: no date moves it."""
    at_work = make("entra secret")
    at_work.renewal.turn()
    assert not at_work.login.saw_date(formatdate(WALL_S + 10_000, usegmt=True))
    assert at_work.fresh()


def test_keys_of_the_configuration_come_first(clouds: Clouds) -> None:
    """Whatever the environment holds; a session token goes along."""
    env = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other"}
    login = AwsLogin("us-east-1", "AKID", "secret", "token")
    assert keys_of(env, login) == by(AwsKeys("AKID", "secret", "token"))


def test_the_environments_chain_has_its_order(clouds: Clouds, tmp_path: Path) -> None:
    """Variables, a web identity, the shared file, the container, the machine: the first that is there."""
    shared = tmp_path / "credentials"
    shared.write_text(
        "[default]\naws_access_key_id = FILE\naws_secret_access_key = file%secret\n"
        "[other]\naws_access_key_id = OTHER\naws_secret_access_key = o\naws_session_token = t\n"
        "[role]\nrole_arn = x\n"
    )
    (tmp_path / "web").write_text("w3b-identity-token")
    env = {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": clouds.url,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{clouds.url}/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "c0ntainer-token",
        "AWS_SHARED_CREDENTIALS_FILE": str(shared),
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "web"),
        "AWS_ROLE_ARN": ROLE,
        "AWS_ENDPOINT_URL_STS": clouds.url,
        "AWS_ACCESS_KEY_ID": "ENV",
        "AWS_SECRET_ACCESS_KEY": "env",
        "AWS_SESSION_TOKEN": "env-token",
    }
    assert keys_of(env) == by(AwsKeys("ENV", "env", "env-token"))
    del env["AWS_ACCESS_KEY_ID"]
    keys_of(env)
    assert clouds.asked[-1].form["Action"] == "AssumeRoleWithWebIdentity"
    assert clouds.asked[-1].form["RoleSessionName"] == "baseload"
    del env["AWS_WEB_IDENTITY_TOKEN_FILE"]
    assert keys_of(env) == by(AwsKeys("FILE", "file%secret"))
    assert keys_of({**env, "AWS_PROFILE": "other"}) == by(AwsKeys("OTHER", "o", "t"))
    keys_of({**env, "AWS_PROFILE": "role"})
    assert clouds.asked[-1].path == "/container"
    del env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    keys_of({**env, "AWS_PROFILE": "absent"})
    assert [asked.path.rpartition("/")[2] for asked in clouds.asked[-3:]] == ["token", "", "the-role"]


def test_a_role_is_assumed_with_the_environments_keys(clouds: Clouds) -> None:
    """The keys sign, the role's own keys are used; the session's name may be told by the environment."""
    env = {
        "AWS_ACCESS_KEY_ID": AWS.access_key,
        "AWS_SECRET_ACCESS_KEY": AWS.secret_key,
        "AWS_ENDPOINT_URL_STS": clouds.url,
        "AWS_ROLE_SESSION_NAME": "gateway-7",
    }
    login = AwsLogin("us-east-1", role=ROLE, external_id="tenant-42")
    assert keys_of(env, login) == by(AwsKeys("ASIA1", "s3cret-1", "t0ken-1"))
    assert clouds.asked[-1].form["RoleSessionName"] == "gateway-7"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "no AWS keys"),
        ({"AWS_ACCESS_KEY_ID": "a\nb", "AWS_SECRET_ACCESS_KEY": "c"}, "no usable pair"),
        (
            {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "c", "AWS_SESSION_TOKEN": "x y"},
            "session token",
        ),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such", "AWS_ROLE_ARN": ROLE}, "cannot read /no/such"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.1.2.3/x"}, "not asked for there"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/x"}, "not asked for there"),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nb",
            },
            "not one line",
        ),
    ],
)
def test_an_environment_that_cannot_work_says_why(env: dict[str, str], words: str) -> None:
    """And asks nobody, least of all a host that is no container's agent."""
    with pytest.raises(LoginFailed, match=words):
        keys_of(env)


@pytest.mark.parametrize("url", ["nonsense", "http://[::1", "http://127.0.0.1:x"])
@pytest.mark.parametrize("name", ["STS", "CONTAINER", "METADATA"])
def test_an_address_of_the_environment_may_be_nonsense(name: str, url: str) -> None:
    """Said as what it is, and no defect."""
    role = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    env = {
        "STS": {**role, "AWS_ENDPOINT_URL_STS": url},
        "CONTAINER": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url},
        "METADATA": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url},
    }
    with pytest.raises(LoginFailed, match="an address of a token service"):
        keys_of(env[name], AwsLogin("us-east-1", role=ROLE if name == "STS" else ""))


def test_a_broken_shared_file_is_said(tmp_path: Path) -> None:
    """A file that is there and cannot be read is no reason to look elsewhere."""
    shared = tmp_path / "credentials"
    shared.write_text("no section\n")
    with pytest.raises(LoginFailed, match="shared credentials file"):
        keys_of({"AWS_SHARED_CREDENTIALS_FILE": str(shared)})


def test_the_shared_file_is_in_the_home_folder(tmp_path: Path) -> None:
    """As AWS's own tools have it."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id=A\naws_secret_access_key=b\n"
    )
    assert keys_of({"HOME": str(tmp_path)}) == by(AwsKeys("A", "b"))


def test_a_containers_relative_address_is_the_agents(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """ECS names a path; its agent's address is fixed. A token may come from a file."""
    monkeypatch.setattr(aws_keys_module, "CONTAINER_URL", clouds.url)
    (tmp_path / "token").write_text("c0ntainer-token\n")
    env = {
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    assert keys_of(env) == by(AwsKeys("ASIA1", "s3cret-1", "t0ken-1"))


def test_a_machine_without_a_role_says_so(clouds: Clouds) -> None:
    """The metadata service answers, and has nothing."""
    clouds.fault = lambda asked: Answer("m3tadata-token" if asked.method == "PUT" else "")
    with pytest.raises(LoginFailed, match="no role of this machine"):
        keys_of({"AWS_EC2_METADATA_SERVICE_ENDPOINT": clouds.url})


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-east-1", "https://sts.us-east-1.amazonaws.com"),
        ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_roles_are_assumed_in_the_region(region: str, url: str) -> None:
    """Its own token service, China's under its own domain; a written address goes first."""
    assert sts_url(region, "") == url
    assert sts_url(region, "https://other.example.com") == "https://other.example.com"


def test_the_environments_key_file_is_googles_first_place(clouds: Clouds, tmp_path: Path) -> None:
    """GOOGLE_APPLICATION_CREDENTIALS, then the metadata server."""
    (tmp_path / "key.json").write_text(key_file(clouds))
    env = {"GCE_METADATA_HOST": clouds.host, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}
    GoogleSource(GoogleLogin(), Clock(lambda: WALL_S), env).obtain()
    del env["GOOGLE_APPLICATION_CREDENTIALS"]
    GoogleSource(GoogleLogin(), Clock(lambda: WALL_S), env).obtain()
    assert [asked.path.split("/")[1] for asked in clouds.asked] == ["google", "computeMetadata"]


def test_a_key_file_that_is_none_is_said_without_quoting_it(tmp_path: Path) -> None:
    """Missing, of another type, or no JSON at all."""
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "missing.json")}
    with pytest.raises(LoginFailed, match="cannot read"):
        GoogleSource(GoogleLogin(), Clock(), env).obtain()
    for text in (
        SECRET,
        "{}",
        json.dumps({"type": "external_account", "client_email": SECRET, "private_key": SECRET}),
    ):
        with pytest.raises(LoginFailed, match="not the JSON key file") as caught:
            service_account(text)
        assert SECRET not in str(caught.value)


def test_another_server_at_the_metadata_address_is_not_believed(clouds: Clouds) -> None:
    """Only Google's marks its answers so."""
    clouds.fault = lambda asked: Answer('{"access_token": "a", "expires_in": 60}')
    with pytest.raises(LoginFailed, match="not Google's metadata server"):
        GoogleSource(GoogleLogin(), Clock(), {"GCE_METADATA_HOST": clouds.host}).obtain()


def test_keys_that_cannot_sign_are_said_without_quoting_them() -> None:
    """No PEM, no RSA, no certificate."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for text, words in ((SECRET, "no unencrypted PEM"), (elliptic.decode(), "no RSA key")):
        with pytest.raises(LoginFailed, match=words) as caught:
            rs256(text, {}, {})
        assert text not in str(caught.value)
    with pytest.raises(LoginFailed, match="no PEM certificate"):
        thumbprint(SECRET)
    assert len(thumbprint(CERTIFICATE_PEM)) == 43


def test_a_certificate_that_is_gone_is_said(clouds: Clouds, make: Make, tmp_path: Path) -> None:
    """And a new one in its place is used at the next renewal."""
    at_work = make("entra certificate")
    (tmp_path / "entra.pem").rename(tmp_path / "away.pem")
    at_work.renewal.turn()
    assert not at_work.fresh()
    (tmp_path / "away.pem").rename(tmp_path / "entra.pem")
    at_work.advance(2)
    at_work.renewal.turn()
    assert at_work.fresh()


@pytest.mark.parametrize(("life", "seconds"), [(60, 60.0), ("3599", 3599.0), (1e9, LONGEST_LIFE_S)])
def test_a_tokens_life_may_be_text_and_is_bounded(life: object, seconds: float) -> None:
    """Older endpoints write numbers as text; no token is kept for years."""
    assert bearer({"access_token": "a", "expires_in": life}, "here").lifetime_s == seconds


@pytest.mark.parametrize(
    "reply",
    [
        {"access_token": "a"},
        {"access_token": "a", "expires_in": True},
        {"access_token": "a", "expires_in": "soon"},
        {"access_token": "a", "expires_in": -1},
        {"access_token": "a", "expires_in": float("nan")},
        {"access_token": "", "expires_in": 60},
        {"access_token": "a b", "expires_in": 60},
        {"access_token": 7, "expires_in": 60},
        {"access_token": "a", "expires_in": 60, "token_type": "mac"},
    ],
)
def test_a_reply_that_is_no_bearer_token_is_refused(reply: dict[str, object]) -> None:
    """Without a life, a token or the right type there is nothing to send."""
    with pytest.raises(LoginFailed, match="here answered with"):
        bearer(reply, "here")


def test_targets_with_the_same_login_share_it(clouds: Clouds) -> None:
    """Twenty models of one account fetch one token; another scope is another login."""
    login = EntraLogin("contoso", "app", SECRET, authority=clouds.url)
    targets = [metered(login, name=f"model-{number}") for number in range(20)]
    book = Logins({})
    book.prepare(targets, 10)
    assert len({id(book.of(target)) for target in targets}) == 1
    assert clouds.issued == 1
    other = metered(EntraLogin("contoso", "app", SECRET, authority=clouds.url, scope="other"))
    assert book.of(other) is not book.of(targets[0])
    book.stop()


def test_a_reload_keeps_what_is_used_and_ends_the_rest(clouds: Clouds) -> None:
    """Running logins keep their tokens; those nobody names any more stop."""
    kept = metered(GoogleLogin(key_file(clouds)))
    gone = metered(GoogleLogin(), name="gone")
    book = Logins({"GCE_METADATA_HOST": clouds.host})
    book.prepare([kept, gone, metered(None, "sk-1")], 10)
    login = book.of(kept)
    book.keep([kept, metered(None, "sk-1")])
    assert list(book.running().values()) == [login]
    assert book.of(kept) is login
    assert clouds.issued == 2
    book.stop()
    assert book.running() == {}


def test_preparing_ends_however_a_service_behaves(clouds: Clouds) -> None:
    """A start is not held up for longer than told, and raises nothing."""
    clouds.fault = "hang"
    book = Logins({})
    target = metered(EntraLogin("contoso", "app", SECRET, authority=clouds.url))
    book.prepare([target], 0.05)
    assert not book.of(target).fresh(1e9)
    book.stop()


def test_no_text_of_settings_shows_a_secret(clouds: Clouds) -> None:
    """Settings, targets and logins may land in a log."""
    every: list[EntraLogin | GoogleLogin | AwsLogin] = [
        EntraLogin("contoso", "app", SECRET),
        GoogleLogin(key_file(clouds)),
        AwsLogin("us-east-1", "AKID", SECRET, SECRET),
    ]
    for settings in every:
        target = metered(settings)
        for text in (repr(settings), str(settings), repr(target), repr(login_of(target, env={}))):
            assert SECRET not in text
            assert "PRIVATE KEY" not in text
    assert SECRET not in repr(login_of(metered(None, SECRET)))
    assert "PRIVATE KEY" not in repr(service_account(key_file(clouds)))
