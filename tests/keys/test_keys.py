"""Keys: shown once, kept as keyed hashes, revoked everywhere, cheap and alike to refuse."""

from __future__ import annotations

import base64
import hmac
import json
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload import keys as module
from baseload.core import Limits
from baseload.errors import DataError, EnvironmentProblem, UnknownName, UsageError
from baseload.keys import KeyStore

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def store(folder: Path, **env: str) -> KeyStore:
    return KeyStore(folder, env)


def test_a_key_is_found_by_its_text_and_by_its_bearer_header(tmp_path: Path) -> None:
    """What `create` returned opens, bare or as Authorization sends it, in any case of the scheme."""
    keys = store(tmp_path)
    text, key = keys.create(
        "shop", name="till", limits=Limits(concurrent=5), models=frozenset({"chat"}), now=NOW
    )
    for header in (text, f"Bearer {text}", f"bearer  {text}", f"BEARER {text}"):
        assert keys.lookup(header.encode()) == key
    assert (key.tenant, key.name, key.created, key.revoked) == ("shop", "till", "2026-11-22T08:00:00Z", None)
    assert (key.limits, key.models) == (Limits(concurrent=5), frozenset({"chat"}))


def test_a_key_is_text_one_can_copy_and_a_scanner_can_find(tmp_path: Path) -> None:
    """`bl_`, 16 letters of public id, 52 letters of secret: 256 random bits, no character that needs care."""
    text, key = store(tmp_path).create("shop")
    assert re.fullmatch(r"bl_[a-z2-7]{16}_[a-z2-7]{52}", text)
    assert (len(text), text.split("_")[1]) == (len("bl_") + 16 + len("_") + 52, key.id)


def test_no_secret_is_kept_anywhere(tmp_path: Path) -> None:
    """No file of the folder holds the secret, nor does any record print it."""
    keys = store(tmp_path)
    text, key = keys.create("shop")
    secret = text.rpartition("_")[2]
    assert [file.name for file in tmp_path.iterdir() if secret in file.read_text()] == []
    assert secret not in repr(key) + repr(keys) + repr(keys.records())


def test_the_kept_hash_is_hmac_sha_256_under_the_pepper(tmp_path: Path) -> None:
    """Whoever holds the pepper can check a record with any HMAC of theirs."""
    text, _ = store(tmp_path).create("shop")
    pepper = (tmp_path / "pepper").read_text().strip().encode()
    [row] = json.loads((tmp_path / "keys.json").read_text())["rows"]
    assert base64.b64decode(row["digest"]) == hmac.digest(pepper, text.encode(), "sha256")


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=300))
def test_the_hash_is_hmac_for_every_key_and_message(key: bytes, message: bytes) -> None:
    """Precomputed blocks give what RFC 2104 says, for keys shorter and longer than a block."""
    assert module._PepperedHash(key)(message) == hmac.digest(key, message, "sha256")


def test_the_folders_files_are_the_owners_alone(tmp_path: Path) -> None:
    """Keys, pepper and lock are 0600, and a folder made for them 0700."""
    folder = tmp_path / "data"
    store(folder).create("shop")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == {"keys.json": 0o600, "pepper": 0o600, "keys.lock": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_wrong_unknown_and_revoked_keys_are_refused(tmp_path: Path) -> None:
    """Another secret under a known id, an unknown id, a revoked key: None each."""
    keys = store(tmp_path)
    text, key = keys.create("shop")
    other, _ = keys.create("shop")
    swapped = f"bl_{key.id}_{other.rpartition('_')[2]}"
    unknown = f"bl_{'a' * 16}_{text.rpartition('_')[2]}"
    keys.revoke(key.id)
    assert [keys.lookup(value.encode()) for value in (swapped, unknown, text)] == [None, None, None]


def test_refusals_take_the_same_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown id, a wrong secret and a revoked key each cost one hash and one constant-time compare."""
    keys = store(tmp_path)
    text, key = keys.create("shop")
    revoked, gone = keys.create("shop")
    keys.revoke(gone.id)
    compared: list[tuple[int, int]] = []

    def counting(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", counting)
    for value in (f"bl_{'a' * 16}_{'b' * 52}", f"bl_{key.id}_{'b' * 52}", revoked):
        assert keys.lookup(value.encode()) is None
    assert keys.lookup(text.encode()) == key
    assert compared == [(32, 32)] * 4


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic dXNlcjpwYXNz",
        b"sk-proj-abc",
        b"bl_",
        b"bl_" + b"\x00" * 69,
        b"bl_' OR '1'='1' --_" + b"a" * 52,
        "bl_ä".encode() + b"a" * 66,
        b"bl_" + b"A" * 16 + b"_" + b"a" * 52,
        b"bl_" + b"a" * 16 + b"_" + b"a" * 52 + b"\n",
        b"x" * 1_000_000,
        b"Bearer " + b" " * 1_000_000,
    ],
)
def test_malformed_credentials_are_refused(tmp_path: Path, value: bytes) -> None:
    """NUL, SQL, other scripts, other schemes, a megabyte: None, and no exception."""
    keys = store(tmp_path)
    keys.create("shop")
    assert keys.lookup(value) is None


@given(st.binary(max_size=120))
def test_no_bytes_open_an_empty_store(value: bytes) -> None:
    """Without keys nothing matches, whatever is sent."""
    assert KeyStore("no-such-folder", {}).lookup(value) is None


def test_looking_in_an_absent_folder_makes_nothing(tmp_path: Path) -> None:
    """A gateway without keys starts, and leaves no files behind."""
    assert store(tmp_path / "data").records() == []
    assert list(tmp_path.iterdir()) == []


def test_other_processes_see_a_new_and_a_revoked_key_at_their_next_look(tmp_path: Path) -> None:
    """`reload_if_changed` is what makes revocation reach every gateway; without a change it does nothing."""
    admin, gateway = store(tmp_path), store(tmp_path)
    text, key = admin.create("shop")
    assert gateway.lookup(text.encode()) is None
    assert (gateway.reload_if_changed(), gateway.reload_if_changed()) == (True, False)
    assert gateway.lookup(text.encode()) == key
    admin.revoke(key.id, NOW)
    assert gateway.reload_if_changed()
    assert gateway.lookup(text.encode()) is None
    assert [key.revoked for key in gateway.records()] == ["2026-11-22T08:00:00Z"]


def test_keys_whose_file_is_gone_open_nothing(tmp_path: Path) -> None:
    """Removing keys.json closes every door."""
    keys = store(tmp_path)
    text, _ = keys.create("shop")
    (tmp_path / "keys.json").unlink()
    assert keys.reload_if_changed()
    assert (keys.lookup(text.encode()), keys.records()) == (None, [])


def test_revoking_keeps_the_first_date_and_takes_the_whole_key_too(tmp_path: Path) -> None:
    """An operator who was sent a leaked key can paste it; twice is no error."""
    keys = store(tmp_path)
    text, key = keys.create("shop")
    assert keys.revoke(text, NOW).revoked == "2026-11-22T08:00:00Z"
    assert keys.revoke(f"bl_{key.id}").revoked == "2026-11-22T08:00:00Z"


def test_an_unknown_id_names_the_nearest(tmp_path: Path) -> None:
    """A mistyped id says which was probably meant."""
    keys = store(tmp_path)
    _, key = keys.create("shop")
    with pytest.raises(UnknownName, match=key.id):
        keys.revoke(key.id[:-1] + "x")


def test_a_key_needs_a_tenant(tmp_path: Path) -> None:
    """Nobody's key would be nobody's bill."""
    with pytest.raises(UsageError, match="tenant"):
        store(tmp_path).create("")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\xff"])
def test_a_damaged_file_is_refused_and_the_old_keys_stay(tmp_path: Path, content: bytes) -> None:
    """A running gateway keeps what it knows; a starting one says what is wrong."""
    keys = store(tmp_path)
    text, key = keys.create("shop")
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(DataError, match=r"keys\.json is damaged"):
        keys.reload_if_changed()
    assert keys.lookup(text.encode()) == key
    with pytest.raises(DataError):
        store(tmp_path)


def test_the_pepper_may_live_in_the_environment(tmp_path: Path) -> None:
    """BASELOAD_PEPPER or BASELOAD_PEPPER_FILE keeps it out of the data folder."""
    pepper = "p" * 40
    text, key = store(tmp_path / "data", BASELOAD_PEPPER=pepper).create("shop")
    assert not (tmp_path / "data" / "pepper").exists()
    elsewhere = tmp_path / "secret"
    elsewhere.write_text(f"{pepper}\n")
    elsewhere.chmod(0o600)
    assert store(tmp_path / "data", BASELOAD_PEPPER_FILE=str(elsewhere)).lookup(text.encode()) == key


def test_a_wrong_pepper_is_told_from_wrong_keys(tmp_path: Path) -> None:
    """Otherwise every key would fail and nobody would know why."""
    store(tmp_path).create("shop")
    with pytest.raises(EnvironmentProblem, match="pepper is not the one"):
        store(tmp_path, BASELOAD_PEPPER="q" * 40)


@pytest.mark.parametrize(
    ("change", "reason"), [("remove", "cannot read the pepper"), ("open", "others may read")]
)
def test_a_missing_or_readable_pepper_is_refused(tmp_path: Path, change: str, reason: str) -> None:
    """Without it no key can be checked; readable by others it is no secret."""
    store(tmp_path).create("shop")
    file = tmp_path / "pepper"
    file.unlink() if change == "remove" else file.chmod(0o644)
    with pytest.raises(EnvironmentProblem, match=reason):
        store(tmp_path)


def test_a_short_pepper_is_refused(tmp_path: Path) -> None:
    """A guessable pepper protects nothing."""
    with pytest.raises(EnvironmentProblem, match="shorter than 32"):
        store(tmp_path, BASELOAD_PEPPER="hunter2").create("shop")


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Four processes create ten keys each, the first pepper included: forty keys, one pepper, all valid."""
    code = (
        "import sys; from baseload.keys import KeyStore; "
        "[KeyStore(sys.argv[1], {}).create('x') for _ in range(10)]"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len({key.id for key in store(tmp_path).records()}) == 40


def test_a_crash_while_writing_leaves_the_old_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced whole or not at all."""
    keys = store(tmp_path)
    text, key = keys.create("shop")

    def crash(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(EnvironmentProblem, match="No space left"):
        keys.create("shop")
    monkeypatch.undo()
    assert store(tmp_path).lookup(text.encode()) == key
