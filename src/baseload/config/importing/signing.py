"""The sections `entra`, `google` and `aws` of a metered target, from another gateway's keys."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from baseload.config.importing.draft import ACCOUNT, NAME, Draft, region_of
from baseload.config.importing.secrets import reference
from baseload.config.importing.source import Node

_ROLE = re.compile(r"arn:[a-z-]{1,32}:iam::[0-9]{12}:role/[!-~]{1,512}")


class AwsKeys(NamedTuple):
    """Where a file writes what AWS is signed in to with; a Node without value where it does not."""

    region: Node
    access_key: Node
    secret_key: Node
    session_token: Node
    role: Node
    external_id: Node
    sts: Node


def aws_login(draft: Draft, keys: AwsKeys, *words: str) -> dict[str, Any]:
    """`aws` with its region, asked for where the file does not write it, and keys that go together."""
    became = "targets.NAME.metered.aws"
    region = draft.words(keys.region)
    if region:
        keys.region.carry(f"{became}.region")
    section: dict[str, Any] = {
        "region": region or draft.asked("AWS_REGION", "the AWS region to sign for", NAME)
    }
    if keys.access_key and keys.secret_key:
        section["access_key"] = draft.secret(keys.access_key, f"{became}.access_key", *words, "access_key_id")
        section["secret_key"] = draft.secret(
            keys.secret_key, f"{became}.secret_key", *words, "secret_access_key"
        )
        if keys.session_token:
            token = draft.secret(keys.session_token, f"{became}.session_token", *words, "session_token")
            section["session_token"] = token
    else:
        for alone in (keys.access_key, keys.secret_key, keys.session_token):
            alone.drop("access key and secret key go together: the environment's are used", "write both")
    role = draft.words(keys.role)
    if role and ("${" in role or _ROLE.fullmatch(role)):
        keys.role.carry(f"{became}.role")
        section["role"] = role
        if external := draft.words(keys.external_id):
            keys.external_id.carry(f"{became}.external_id")
            section["external_id"] = external
        if keys.sts and (address := draft.address(keys.sts)):
            keys.sts.carry(f"{became}.sts")
            section["sts"] = address
    else:
        keys.role.drop("is no role's ARN", "write `aws.role`")
        for without in (keys.external_id, keys.sts):
            without.drop("is for assuming a role, and there is none")
    return {"aws": {key: value for key, value in section.items() if value}}


def entra_login(
    draft: Draft, tenant: Node, client: Node, secret: Node, scope: Node, *words: str
) -> dict[str, Any] | None:
    """`entra` where the directory, the application and its secret are written; else None."""
    if not (tenant and client and secret):
        return None
    became = "targets.NAME.metered.entra"
    section: dict[str, Any] = {"tenant": draft.words(tenant), "client": draft.words(client)}
    tenant.carry(f"{became}.tenant")
    client.carry(f"{became}.client")
    section["secret"] = draft.secret(secret, f"{became}.secret", *words, "client_secret")
    if scope:
        section["scope"] = draft.words(scope)
        scope.carry(f"{became}.scope")
    return {"entra": section}


def google_login(draft: Draft, account: Node, *words: str) -> dict[str, Any]:
    """`google`: the account's key file as a variable with its JSON, or what the environment names."""
    if not account:
        return {"google": {}}
    became, text = "targets.NAME.metered.google.service_account", account.value
    if isinstance(text, dict):
        what = "the JSON key file of the service account that stands in that file, in one line"
    elif str(text).endswith(".json") and reference(str(text)) is None:
        what = f"the JSON of the key file {str(text).rpartition('/')[2]}, in one line"
    else:
        key = draft.secret(account, became, *words, "service_account", sample=ACCOUNT)
        return {"google": {"service_account": key} if key else {}}
    account.carry(became)
    return {
        "google": {"service_account": draft.held(str(text), what, *words, "service_account", sample=ACCOUNT)}
    }


def aws_region(region: str, model: str) -> str | None:
    """Where Bedrock processes: the region it is asked in, unknown for inference profiles across regions."""
    across = re.match(r"(us|eu|apac|jp|au|global|us-gov)\.|arn:", model)
    return None if across or "${" in region else region_of(region)
