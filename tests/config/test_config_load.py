"""What a file may not say, and how it is told: file, line, key, reason, nearest valid name, all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from baseload.config import Config, InvalidConfig, load, outline, parse
from baseload.config.load import LATER
from baseload.errors import EnvironmentProblem

Parse = Callable[..., Config]
Problems = Callable[..., list[tuple[int, str, str, str]]]


def test_a_valid_file_becomes_typed_values(parsed: Parse) -> None:
    """Durations are seconds, counts ints, dollars nano-dollars, credentials masked."""
    config = parsed(("shop: {limits: {concurrent: 50}}", "shop: {limits: {tokens_per_minute: 400k}}"))
    owned, metered = config.targets["llama-a"].owned, config.targets["gpt-4o"].metered
    assert owned is not None
    assert metered is not None
    slo = config.models["chat"].slo
    assert slo is not None
    assert (
        slo.ttft,
        slo.tpot,
        config.tenants["shop"].limits.tokens_per_minute,
        owned.usd_per_hour,
        (owned.gpus.number, owned.gpus.name.partition("-")[0].lower()) if owned.gpus else None,
    ) == (1.5, 0.06, 400_000, 8_000_000_000, (2, "h100"))
    assert metered.key is not None
    assert metered.key.get_secret_value() == "sk-secret-1234"


def test_no_text_of_a_configuration_holds_a_credential(parsed: Parse) -> None:
    """repr, str and JSON of a configuration mask what came from the environment."""
    config = parsed()
    for text in (repr(config), str(config), config.model_dump_json(), repr(config.targets["gpt-4o"].metered)):
        assert "sk-secret" not in text


CASES = [
    ("listen: 127.0.0.1:4000", "lisen: 127.0.0.1:4000", 1, "lisen", "unknown key", "did you mean 'listen'?"),
    ("precision: fp8", "presicion: fp8", 4, "targets.llama-a.owned.presicion", "unknown key", "'precision'"),
    ("precision: fp8", "precision: fp9", 4, "targets.llama-a.owned.precision", "unknown precision", "'fp8'"),
    ("engine: vllm", "engine: vlm", 4, "targets.llama-a.owned.engine", "unknown engine (got vlm)", "'vllm'"),
    ("2 x h100", "2 x h10", 4, "targets.llama-a.owned.gpus", "unknown GPU", "'h100'"),
    ("2 x h100", "two h100", 4, "targets.llama-a.owned.gpus", "not a set of GPUs", ""),
    ("usd_per_hour: 8.00", "usd_per_hour: $8", 4, "targets.llama-a.owned.usd_per_hour", "not an amount", ""),
    ("usd_per_hour: 8.00, ", "", 4, "targets.llama-a.owned.usd_per_hour", "is required", ""),
    ("http://10", "ftp://10", 5, "targets.llama-a.url", "must begin with http", ""),
    ("http://10", "http://user:pass@10", 5, "targets.llama-a.url", "credentials do not belong in a URL", ""),
    ("8000/v1", "80000/v1", 5, "targets.llama-a.url", "not a URL", ""),
    ("8000/v1", "8000/v1?a=b", 5, "targets.llama-a.url", "must be scheme, host, port and path only", ""),
    ("region: eu-west", "region: 12", 7, "targets.llama-a.region", "must be text (got 12)", ""),
    (
        "region: eu-west",
        "quota: {concurrent: 1}",
        7,
        "targets.llama-a.quota",
        "is for metered targets",
        "max_sequences",
    ),
    (
        "region: us",
        "format: anthropic\n    responses: true",
        12,
        "targets.gpt-4o.responses",
        "is for `format: openai`; this one speaks anthropic",
        "remove it",
    ),
    ("    url: http://10.0.0.5:8000/v1\n", "", 3, "targets.llama-a.url", "is required", "of the engine"),
    (
        "provider: openai",
        "provider: opnai",
        9,
        "targets.gpt-4o.metered.provider",
        "unknown provider 'opnai'",
        "'openai'",
    ),
    (
        "provider: openai",
        "provider: azure",
        8,
        "targets.gpt-4o.url",
        "is required: azure has no one",
        "base URL",
    ),
    (", key: ${OPENAI_API_KEY}", "", 9, "targets.gpt-4o.metered.key", "is required", "`none`"),
    (
        "${OPENAI_API_KEY}",
        "none",
        9,
        "targets.gpt-4o.metered.key",
        "`none` is for endpoints of your own",
        "`url`",
    ),
    (
        "${OPENAI_API_KEY}",
        "${OPENAI_KEY}",
        9,
        "targets.gpt-4o.metered.key",
        "variable OPENAI_KEY is not set",
        "OPENAI_API_KEY",
    ),
    ("metered: {provider", "owned: {}\n    metered: {provider", 8, "targets.gpt-4o", "it is both", ""),
    (
        "    metered: {provider: openai, key: ${OPENAI_API_KEY}}\n",
        "",
        8,
        "targets.gpt-4o",
        "it is neither",
        "",
    ),
    (
        "owned: [llama-a]",
        "owned: [lama-a]",
        14,
        "models.chat.owned[0]",
        "unknown target 'lama-a'",
        "'llama-a'",
    ),
    (
        "owned: [llama-a]",
        "owned: [gpt-4o]",
        14,
        "models.chat.owned[0]",
        "'gpt-4o' is metered",
        "under `metered`",
    ),
    ("owned: [llama-a]", "owned: [llama-a, llama-a]", 14, "models.chat.owned[1]", "listed twice", ""),
    ("owned: [llama-a]", "owned: llama-a", 14, "models.chat.owned", "must be a list", ""),
    (
        "    owned: [llama-a]\n    metered: [gpt-4o]\n",
        "",
        13,
        "models.chat",
        "has no targets",
        "at least one",
    ),
    ("ttft: 1.5s", "ttft: 1.5", 16, "models.chat.slo.ttft", "not a duration", ""),
    ("ttft: 1.5s", "ttft: 0s", 16, "models.chat.slo.ttft", "must be more than zero (got 0s)", ""),
    ("ttft: 1.5s", "ttft: 48h", 16, "models.chat.slo.ttft", "must be at most 24h", ""),
    ("default: {regions: any}", "other: {regions: any}", 17, "classes.default", "none by silence", "regions"),
    ("regions: any", "regions: []", 18, "classes.default.regions", "`any` or a list", ""),
    (
        "regions: any",
        "regions: [eu, global]",
        18,
        "classes.default.regions",
        "global names no place",
        "`any`",
    ),
    ("regions: any", "region: any", 18, "classes.default.region", "unknown key", "'regions'"),
    (
        "{limits: {c",
        "{class: defualt, limits: {c",
        20,
        "tenants.shop.class",
        "unknown class 'defualt'",
        "'default'",
    ),
    (
        "{limits: {c",
        "{models: [chit], limits: {c",
        20,
        "tenants.shop.models[0]",
        "unknown model 'chit'",
        "'chat'",
    ),
    ("concurrent: 50", "concurrent: 0", 20, "tenants.shop.limits.concurrent", "must be more than zero", ""),
    ("  shop:", "  a shop:", 20, "tenants.a shop", "should match pattern", ""),
    ("listen: 127.0.0.1:4000", "open: yes", 1, "open", "must be true or false (got yes)", ""),
    (
        "listen: 127.0.0.1:4000",
        "control: 127.0.0.1:4000\nlisten: 127.0.0.1:4000",
        1,
        "control",
        "is the data port",
        "",
    ),
    ("listen: 127.0.0.1:4000", "data: postgresql://x/y", 1, "data", "not in this version", "folder"),
    ("listen: 127.0.0.1:4000", "tls: {cert: a.pem, key: b.pem}", 1, "tls.cert", "cannot read", ""),
    ("listen: 127.0.0.1:4000", "journal: {strict: maybe}", 1, "journal.strict", "must be true or false", ""),
    ("listen: 127.0.0.1:4000", "http: {body: 1x}", 1, "http.body", "not a size", ""),
    ("listen: 127.0.0.1:4000", "http: 5", 1, "http", "must be a mapping", ""),
    ("listen: 127.0.0.1:4000", "http:", 1, "http", "has no value", "remove the key"),
    ("listen: 127.0.0.1:4000", "listen: 127.0.0.1:4001", 1, "control", "is the data port", ""),
    ("http://10.0.0.5:8000/v1", "", 5, "targets.llama-a.url", "has no value", "write one"),
    ("{provider: openai, key: ${OPENAI_API_KEY}}", "", 9, "targets.gpt-4o.metered", "has no value", ""),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "reason", "hint"), CASES)
def test_each_mistake_is_named_with_its_place(
    problems: Problems, old: str, new: str, line: int, key: str, reason: str, hint: str
) -> None:
    """One wrong value gives an error at its own line and key that says what to write."""
    found = problems((old, new))
    assert (line, key) in [(at, name) for at, name, _, _ in found], found
    [message] = [f"{words}\n{next_}" for at, name, words, next_ in found if (at, name) == (line, key)]
    assert reason in message
    assert hint in message


def test_every_problem_of_a_file_is_shown_at_once(problems: Problems) -> None:
    """Syntax-level, schema-level and cross-reference problems come together, in the order of their lines."""
    found = problems(
        ("engine: vllm", "engine: vlm"),
        ("${OPENAI_API_KEY}", "${NOT_SET}"),
        ("[gpt-4o]", "[gpt-5o]"),
        ("tpot:", "tpo:"),
    )
    expected = [
        (4, "targets.llama-a.owned.engine"),
        (9, "targets.gpt-4o.metered.key"),
        (15, "models.chat.metered[0]"),
        (16, "models.chat.slo.tpo"),
    ]
    assert expected == [(line, key) for line, key, _, _ in found]


@pytest.mark.parametrize("key", sorted(LATER))
def test_keys_of_later_versions_are_not_accepted_in_silence(problems: Problems, key: str) -> None:
    """A key of the design that does nothing yet is refused, saying so."""
    [problem] = problems(("listen: 127.0.0.1:4000", f"{key}: x"))
    assert (1, key, "is not in this version") == problem[:3]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("provider: openai", "provider: ${OPENAI_API_KEY}"),
        ("engine: vllm", "engine: ${OPENAI_API_KEY}"),
        ("model: gpt-4o", "model: ${OPENAI_API_KEY} x"),
        ("[llama-a]", "[${OPENAI_API_KEY}]"),
        ("region: us", "region: ${OPENAI_API_KEY}!"),
        ("ttft: 1.5s", "ttft: ${OPENAI_API_KEY}"),
        ("${OPENAI_API_KEY}", "'${OPENAI_API_KEY} with blanks'"),
        ("http://10.0.0.5", "http://me:${OPENAI_API_KEY}@10.0.0.5"),
    ],
)
def test_no_message_shows_what_a_reference_stands_for(parsed: Parse, old: str, new: str) -> None:
    """A credential in the wrong place is not printed by the error about it."""
    with pytest.raises(InvalidConfig) as caught:
        parsed((old, new))
    assert "sk-secret" not in str(caught.value)
    assert "sk-secret" not in repr(caught.value)


def test_a_literal_credential_is_not_shown_either(parsed: Parse) -> None:
    """A malformed credential written in the file is refused without printing it."""
    with pytest.raises(InvalidConfig) as caught:
        parsed(("${OPENAI_API_KEY}", "'sk-secret with blanks'"))
    assert "visible ASCII" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_a_shared_target_without_a_model_has_no_one_price(problems: Problems) -> None:
    """A metered target that passes several names on needs its upstream's name written."""
    [problem] = problems(("    model: gpt-4o\n", ""), ("classes:", "  talk: {metered: [gpt-4o]}\nclasses:"))
    assert problem[:3] == (8, "targets.gpt-4o.model", "is required: chat and talk share this target")


def test_another_provider_brings_its_own_url_and_price(parsed: Parse) -> None:
    """A provider the catalog does not hold is fine with both, and `key: none` with a url."""
    config = parsed(
        (
            "{provider: openai, key: ${OPENAI_API_KEY}}",
            "{provider: ours, key: none, price: {input: 0, output: 0.5}}",
        ),
        ("model: gpt-4o", "model: gpt-4o\n    url: http://llm.internal/v1/"),
    )
    target = config.targets["gpt-4o"]
    assert target.metered is not None
    assert target.metered.price is not None
    assert (
        target.url,
        target.metered.provider,
        target.metered.price.output,
    ) == ("http://llm.internal/v1", "ours", 500_000_000)


def test_providers_have_one_name(parsed: Parse) -> None:
    """Other spellings of a provider's name become the catalog's."""
    config = parsed(("provider: openai", "provider: gemini"))
    metered = config.targets["gpt-4o"].metered
    assert metered is not None
    assert metered.provider == "google"


def test_a_flag_may_come_from_the_environment(parsed: Parse) -> None:
    """`${OPEN}` holding true opens, as the word does."""
    config = parsed(("listen: 127.0.0.1:4000", "open: ${OPEN}"), env={"OPENAI_API_KEY": "x", "OPEN": "true"})
    assert config.open is True


def _write_pair(cert: Path, key: Path, ca: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(ca))


@pytest.mark.parametrize(
    ("wrong", "line", "key", "reason"),
    [
        ("a.pem", 19, "tls.cert", "a.pem holds no PEM certificate"),
        ("b.pem", 19, "tls.key", "b.pem holds no PEM private key"),
        ("ca.pem", 11, "targets.gpt-4o.ca", "ca.pem holds no PEM certificate"),
    ],
)
def test_certificates_are_looked_into(
    problems: Problems, tmp_path: Path, wrong: str, line: int, key: str, reason: str
) -> None:
    """A file that is there but no PEM is refused at its own line, before any connection would fail."""
    _write_pair(tmp_path / "a.pem", tmp_path / "b.pem", tmp_path / "ca.pem")
    (tmp_path / wrong).write_text("not PEM")
    changes = (("region: us", "ca: ca.pem"), ("tenants:", "tls: {cert: a.pem, key: b.pem}\ntenants:"))
    [(at, name, said, hint)] = problems(*changes)
    assert (at, name) == (line, key)
    assert reason in said
    assert "-----BEGIN" in hint


def test_a_key_of_another_certificate_is_refused(problems: Problems, tmp_path: Path) -> None:
    """Certificate and key must be a pair: the port could not open, or serve, with any other."""
    _write_pair(tmp_path / "a.pem", tmp_path / "b.pem", tmp_path / "ca.pem")
    _write_pair(tmp_path / "a.pem", tmp_path / "other.pem", tmp_path / "ca.pem")
    [(at, name, said, _)] = problems(("tenants:", "tls: {cert: a.pem, key: b.pem}\ntenants:"))
    assert (at, name) == (19, "tls")
    assert "`key` is not the certificate's" in said


def test_paths_are_seen_from_the_files_folder(tmp_path: Path, valid_text: str) -> None:
    """The data folder, certificates and secrets do not depend on where a command is started."""
    (tmp_path / "tls").mkdir()
    _write_pair(tmp_path / "tls/a.pem", tmp_path / "tls/b.pem", tmp_path / "tls/ca.pem")
    (tmp_path / "key").write_text("sk-1\n")
    file = tmp_path / "baseload.yaml"
    file.write_text(
        valid_text.replace("${OPENAI_API_KEY}", "${file:key}").replace("region: us", "ca: tls/ca.pem")
        + "tls: {cert: tls/a.pem, key: tls/b.pem}\n"
    )
    config = load(file, {})
    assert tmp_path / "baseload-data" == config.data
    expected = [tmp_path / name for name in ("baseload.yaml", "key", "tls/a.pem", "tls/b.pem", "tls/ca.pem")]
    assert expected == list(config.sources)


def test_a_file_that_is_not_there_is_no_traceback(tmp_path: Path) -> None:
    """A missing file and a folder are problems of the environment, saying which."""
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(EnvironmentProblem, match=str(path)):
            load(path, {})


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"a: 1\nb: \xff\n", "2: not UTF-8 text"),
        (b"#" * (1 << 20) + b"\n", "longer than 1 MiB"),
        (b"- a\n", "must be a mapping"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, raw: bytes, reason: str) -> None:
    """Not UTF-8, over 1 MiB, or a list at its root."""
    file = tmp_path / "baseload.yaml"
    file.write_bytes(raw)
    with pytest.raises(InvalidConfig, match=reason):
        load(file, {})


def test_an_outline_needs_no_secret(tmp_path: Path, valid_text: str) -> None:
    """Commands beside the gateway find data folder and names though variables are missing."""
    file = tmp_path / "baseload.yaml"
    file.write_text(valid_text)
    found = outline(file, {})
    assert (tmp_path / "baseload-data", {"shop"}, {"chat"}) == (
        found.data,
        set(found.tenants),
        set(found.models),
    )


def test_an_outline_still_needs_its_data_folder(tmp_path: Path, valid_text: str) -> None:
    """A data folder behind a missing variable is told, not guessed."""
    file = tmp_path / "baseload.yaml"
    file.write_text(valid_text.replace("listen: 127.0.0.1:4000", "data: ${STATE}/baseload"))
    with pytest.raises(InvalidConfig, match="environment variable STATE is not set"):
        outline(file, {})


def test_a_configuration_never_changes(parsed: Parse) -> None:
    """What a request relies on cannot be altered under it."""
    with pytest.raises(ValueError, match="frozen"):
        parsed().open = True


def test_the_first_problem_stands_for_all() -> None:
    """InvalidConfig is a ConfigError: file, line and key are those of the first problem, exit code 2."""
    with pytest.raises(InvalidConfig) as caught:
        parse("a: 1\nb: 2\n", "x.yaml", Path(), {})
    error = caught.value
    assert (error.file, error.line, error.exit_code) == ("x.yaml", 1, 2)
    assert sorted(problem.key for problem in error.problems) == ["a", "b", "classes", "models", "targets"]
