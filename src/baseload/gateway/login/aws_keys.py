"""Where AWS keys come from: the configuration, else the environment's chain as AWS documents it for servers.

    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
    AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN               a web identity (EKS)
    the shared credentials file, its profile's keys             ~/.aws/credentials
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI        the container's own (ECS, EKS)
    the instance metadata service, version 2                    the machine's own (EC2)

The first that is there is used; if it fails, no other is asked. A role is assumed with what was found.
Sources: AWS SDKs and Tools Reference Guide, "Standardized credential providers"; Amazon EC2 User Guide, "Use
IMDS" (read November 2026). Profiles that name roles or single sign-on are not followed.
"""

from __future__ import annotations

import configparser
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from baseload.core import AwsLogin
from baseload.gateway.login.clock import Clock
from baseload.gateway.login.fetch import Ask, Reply, expect_ok, fetch, host_of
from baseload.gateway.login.nouns import LoginFailed, Obtained, is_visible
from baseload.gateway.login.sts import DEFAULT_SESSION, Sts, keys_of, sts_url
from baseload.wire.aws_sigv4 import AwsKeys, Scope, Signer

STS_URL = "AWS_ENDPOINT_URL_STS"
METADATA_URL = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
DEFAULT_METADATA_URL = "http://169.254.169.254"
CONTAINER_URL = "http://169.254.170.2"

_ROLES = "/latest/meta-data/iam/security-credentials/"
_CONTAINER_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
_TOKEN_TTL_S = "60"


class AwsSource:
    """Signers of one login."""

    def __init__(self, login: AwsLogin, clock: Clock, env: Mapping[str, str]) -> None:
        self._login, self._clock, self._env = login, clock, env
        url = sts_url(login.region, login.sts_url or env.get(STS_URL, ""))
        self._sts = Sts(url, login.region, clock)
        self._session = env.get("AWS_ROLE_SESSION_NAME") or DEFAULT_SESSION
        self.name = f"of AWS in {login.region}" + (f" as {login.role}" if login.role else "")

    def obtain(self) -> Obtained[Signer]:
        login = self._login
        if login.access_key:
            found = Obtained(AwsKeys(login.access_key, login.secret_key, login.session_token), None)
        else:
            found = self._of_environment()
        if login.role:
            found = self._sts.assume_role(found.value, login.role, self._session, login.external_id)
        return Obtained(Signer(found.value, Scope(login.region, login.service)), found.lifetime_s)

    def _of_environment(self) -> Obtained[AwsKeys]:
        env = self._env
        if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
            keys = (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN", ""))
            return Obtained(_checked(AwsKeys(*keys), "the environment"), None)
        if env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and env.get("AWS_ROLE_ARN"):
            token = _text(env["AWS_WEB_IDENTITY_TOKEN_FILE"])
            return self._sts.assume_role_with_web_identity(token, env["AWS_ROLE_ARN"], self._session)
        if (shared := self._of_profile()) is not None:
            return Obtained(shared, None)
        if env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            return self._of_container()
        return self._of_instance()

    def _of_profile(self) -> AwsKeys | None:
        """The keys of a profile in the shared credentials file; None where it has none."""
        env = self._env
        home = Path(env.get("HOME", "/nonexistent"))
        file = Path(env.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials")
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(file.read_text())
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, configparser.Error):
            raise LoginFailed(f"cannot read the shared credentials file {file}") from None
        name = env.get("AWS_PROFILE") or "default"
        if not parser.has_option(name, "aws_access_key_id"):
            return None
        read = (parser.get(name, f"aws_{key}", fallback="") for key in _PROFILE_KEYS)
        return _checked(AwsKeys(*read), f"profile {name} of {file}")

    def _of_container(self) -> Obtained[AwsKeys]:
        env = self._env
        relative = env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = f"{CONTAINER_URL}{relative}" if relative else env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        if not _is_container_host(url):
            raise LoginFailed(f"{host_of(url)}: a container's keys are not asked for there by http")
        file, token = (env.get(f"AWS_CONTAINER_AUTHORIZATION_TOKEN{end}") for end in ("_FILE", ""))
        token = _text(file) if file else token
        fields = {"accept": "application/json"}
        if token:
            if not token.isprintable():
                raise LoginFailed("the container's authorization token is not one line of text")
            fields["authorization"] = token
        reply = self._link_local("GET", url, fields)
        where = host_of(url)
        return keys_of(reply.json(where), "Token", where, self._clock)

    def _of_instance(self) -> Obtained[AwsKeys]:
        env = self._env
        if env.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise LoginFailed("the environment holds no AWS keys, and the metadata service is disabled")
        base = (env.get(METADATA_URL) or DEFAULT_METADATA_URL).rstrip("/")
        where = host_of(base)
        ttl = {"x-aws-ec2-metadata-token-ttl-seconds": _TOKEN_TTL_S}
        token = self._link_local("PUT", f"{base}/latest/api/token", ttl).body.decode("ascii", "replace")
        if not is_visible(token):
            raise LoginFailed(f"{where} answered without a usable token")
        fields = {"x-aws-ec2-metadata-token": token}
        role = self._link_local("GET", f"{base}{_ROLES}", fields).body.decode("ascii", "replace").strip()
        if not is_visible(role):
            raise LoginFailed(f"{where} knows no role of this machine")
        reply = self._link_local("GET", f"{base}{_ROLES}{role}", fields)
        return keys_of(reply.json(where), "Token", where, self._clock)

    def _link_local(self, method: str, url: str, fields: dict[str, str]) -> Reply:
        ask = Ask(method, url, fields, link_local=True)
        reply = fetch(ask, self._clock)
        expect_ok(reply, ask.host)
        return reply


_PROFILE_KEYS = ("access_key_id", "secret_access_key", "session_token")


def _checked(keys: AwsKeys, where: str) -> AwsKeys:
    if not (is_visible(keys.access_key) and is_visible(keys.secret_key)):
        raise LoginFailed(f"{where} holds no usable pair of AWS keys")
    if keys.token and not is_visible(keys.token):
        raise LoginFailed(f"{where} holds no usable session token")
    return keys


def _text(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise LoginFailed(f"cannot read {file}: {reason}") from None


def _is_container_host(url: str) -> bool:
    """Whether a container's keys may be asked for there: by https, of this machine, or of AWS's agents."""
    host_of(url)
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host in _CONTAINER_HOSTS or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
