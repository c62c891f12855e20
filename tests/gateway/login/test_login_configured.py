"""From the file to the header lines: every way to sign in, at token services of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.catalog.rates import RateTable
from baseload.config import parse
from baseload.gateway.login import Logins
from baseload.gateway.snapshot import compile_snapshot
from tests.gateway.login.at_work import CALL, key_file
from tests.gateway.login.clouds import AWS, CERTIFICATE_PEM, ROLE, SECRET, Clouds

FILE = """\
targets:
  by-key:
    metered: {{provider: own, price: {{input: 1, output: 2}}, key: "${{SECRET}}"}}
    url: https://llm.example.com/v1
  by-secret:
    metered:
      provider: azure
      price: {{input: 1, output: 2}}
      entra: {{tenant: contoso, client: app, secret: "${{SECRET}}", authority: "{url}"}}
    url: https://llm.example.com/v1
  by-certificate:
    metered:
      provider: azure
      price: {{input: 1, output: 2}}
      entra: {{tenant: contoso, client: app, certificate: entra.pem, authority: "{url}"}}
    url: https://llm.example.com/v1
  by-account:
    metered:
      provider: google
      price: {{input: 1, output: 2}}
      google: {{service_account: "${{file:vertex.json}}"}}
    url: https://llm.example.com/v1
  by-role:
    metered:
      provider: aws
      price: {{input: 1, output: 2}}
      aws:
        region: us-east-1
        access_key: {access_key}
        secret_key: "${{AWS_SECRET}}"
        role: {role}
        external_id: tenant-42
        sts: "{url}"
    url: https://llm.example.com/v1
models:
  chat: {{metered: [by-key, by-secret, by-certificate, by-account, by-role]}}
classes:
  default: {{regions: any}}
"""


def test_each_way_in_a_file_signs_its_targets_calls(
    clouds: Clouds, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A start fetches all, each target's lines are what its provider reads, and nothing of it is logged."""
    (tmp_path / "entra.pem").write_text(CERTIFICATE_PEM)
    (tmp_path / "vertex.json").write_text(key_file(clouds))
    text = FILE.format(url=clouds.url, access_key=AWS.access_key, role=ROLE)
    env = {"SECRET": SECRET, "AWS_SECRET": AWS.secret_key}
    config = parse(text, "baseload.yaml", tmp_path, env)
    targets = compile_snapshot(config, RateTable("2026-11-24", "", {})).targets
    # the services keep a clock of their own, months away from this machine's
    book = Logins({})
    book.prepare(targets.values(), 20)
    lines = {name: book.of(target).header_lines(CALL, 0.0) for name, target in targets.items()}
    book.stop()
    assert lines["by-key"] == b"authorization: Bearer %b\r\n" % SECRET.encode()
    for name in ("by-secret", "by-certificate", "by-account"):
        assert lines[name].startswith(b"authorization: Bearer t0ken-")
    assert lines["by-role"].startswith(b"x-amz-date: 2026")
    assert b"x-amz-security-token: t0ken-" in lines["by-role"]
    assert (
        b"/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token,"
        in lines["by-role"]
    )
    assert caplog.text == ""
