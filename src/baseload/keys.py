"""Keys of the data port: random 256-bit secrets, shown once, kept only as a keyed hash.

A key reads `bl_ID_SECRET`, both parts in base32 letters: 16 of public id (80 bits), 52 of secret (256 bits).
The data folder holds `keys.json` (public id, HMAC-SHA-256 of the whole key, tenant, limits; never the secret)
and `pepper`, the HMAC's key, which BASELOAD_PEPPER or BASELOAD_PEPPER_FILE may keep elsewhere. Writers hold
`keys.lock` and replace `keys.json` atomically; readers see a change by the file's stamp.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from baseload.core import Limits
from baseload.errors import DataError, EnvironmentProblem, UnknownName, UsageError

ID_BYTES, SECRET_BYTES, PEPPER_BYTES = 10, 32, 32
PEPPER_VARIABLE = "BASELOAD_PEPPER"

_KEY = re.compile(rb"(?:(?i:bearer) {1,8})?(bl_([a-z2-7]{16})_[a-z2-7]{52})")
_NO_DIGEST = bytes(32)
_CHECK = b"baseload pepper check"

Stamp = tuple[int, int, int]
"""A file's modification time (ns), inode and size: differs whenever it was replaced."""


class Key(Struct, frozen=True):
    """What is known of a key: everything but its secret. `revoked` is None while it is valid.

    `limits` are the key's own, beside its tenant's; `models` None allows all that the tenant may ask for.
    """

    id: str
    tenant: str
    name: str = ""
    created: str = ""
    revoked: str | None = None
    limits: Limits = Limits()
    models: frozenset[str] | None = None


class _Row(Struct, frozen=True):
    key: Key
    digest: bytes


class _File(Struct, frozen=True):
    """`keys.json`. `pepper_check` is an HMAC of a fixed text: a wrong pepper is told from wrong keys."""

    version: int
    pepper_check: bytes
    rows: tuple[_Row, ...]


class KeyStore:
    """The keys of one data folder; each process has its own view, `reload_if_changed` keeps it current."""

    def __init__(self, folder: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Reads the folder's keys; an absent file means there are none yet.

        Raises DataError for a damaged file, EnvironmentProblem for an unreadable one or a pepper that is
        missing, readable by others, or not the one the keys were made with.
        """
        self._folder = Path(folder)
        self._env = os.environ if env is None else env
        self._file = self._folder / "keys.json"
        self._stamp: Stamp | None = None
        self._rows: dict[str, _Row] = {}
        self._valid: dict[bytes, _Row] = {}
        self._hash = _PepperedHash(secrets.token_bytes(PEPPER_BYTES))  # until there are keys, nothing matches
        self.reload_if_changed()

    def lookup(self, header_value: bytes) -> Key | None:
        """The valid key that this credential is (`Bearer KEY` or the bare key), else None.

        An unknown id, a wrong secret and a revoked key take the same steps, and the compare is constant-time.
        """
        found = _KEY.fullmatch(header_value)
        if found is None:
            return None
        key, public_id = found.groups()
        row = self._valid.get(public_id)
        digest = self._hash(key)
        expected = _NO_DIGEST if row is None else row.digest
        return row.key if hmac.compare_digest(digest, expected) and row is not None else None

    def records(self) -> list[Key]:
        """Every key ever created, revoked ones too, oldest first."""
        return [row.key for row in self._rows.values()]

    def create(
        self,
        tenant: str,
        *,
        name: str = "",
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        models: frozenset[str] | None = None,
        now: datetime | None = None,
    ) -> tuple[str, Key]:
        """A new key and its record; the text is returned here and never again."""
        if not tenant:
            raise UsageError("a key belongs to a tenant", hint="name it with --tenant")
        public_id, secret = _letters(ID_BYTES), _letters(SECRET_BYTES)
        text = f"bl_{public_id}_{secret}"
        key = Key(public_id, tenant, name, _timestamp(now), None, limits, models)
        with self._writing():
            if not self._rows:
                self._hash = _PepperedHash(self._pepper(create=True))
            self._write([*self._rows.values(), _Row(key, self._hash(text.encode()))])
        return text, key

    def revoke(self, public_id: str, now: datetime | None = None) -> Key:
        """The key, revoked from now on: other processes see it when they reload next. UnknownName if unknown.

        Accepts the whole key too, and a key revoked before keeps its first date.
        """
        found = _KEY.fullmatch(public_id.encode(errors="replace"))
        public_id = found[2].decode() if found else public_id.removeprefix("bl_")
        with self._writing():
            row = self._rows.get(public_id)
            if row is None:
                raise UnknownName("key", public_id, self._rows)
            if row.key.revoked is not None:
                return row.key
            revoked = msgspec.structs.replace(row.key, revoked=_timestamp(now))
            self._write([_Row(revoked, r.digest) if r is row else r for r in self._rows.values()])
        return revoked

    def reload_if_changed(self) -> bool:
        """Whether the file had changed and was read again; else it costs one stat. Call it once a second.

        A file that is gone takes its keys with it. Raises as the constructor does; the keys known before stay
        in force then.
        """
        try:
            if _stamp(self._file.stat()) == self._stamp:
                return False
            with self._file.open("rb") as stream:
                stamp = _stamp(os.fstat(stream.fileno()))
                raw = stream.read()
        except FileNotFoundError:
            changed = self._stamp is not None
            self._stamp, self._rows, self._valid = None, {}, {}
            return changed
        except OSError as error:
            raise EnvironmentProblem(f"cannot read {self._file}: {error.strerror}") from None
        self._take(raw)
        self._stamp = stamp
        return True

    def _take(self, raw: bytes) -> None:
        """Makes these the keys in force, if they are whole and the pepper is theirs."""
        try:
            content = msgspec.json.decode(raw, type=_File)
        except msgspec.DecodeError as error:
            raise DataError(f"{self._file} is damaged: {error}", hint="restore it from a backup") from None
        hash_ = _PepperedHash(self._pepper())
        if not hmac.compare_digest(hash_(_CHECK), content.pepper_check):
            raise EnvironmentProblem(
                f"the pepper is not the one that the keys in {self._file} were made with",
                hint=f"restore {self._folder / 'pepper'} or {PEPPER_VARIABLE}, or create new keys",
            )
        self._hash = hash_
        self._rows = {row.key.id: row for row in content.rows}
        self._valid = {row.key.id.encode(): row for row in content.rows if row.key.revoked is None}

    def _write(self, rows: list[_Row]) -> None:
        """Replaces the file by one with these rows; the lock is held."""
        content = _File(1, self._hash(_CHECK), tuple(rows))
        raw = msgspec.json.format(msgspec.json.encode(content), indent=1)
        _replace(self._file, raw)
        self._take(raw)
        self._stamp = _stamp(self._file.stat())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Holds the writers' lock, with the newest rows read under it."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / "keys.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EnvironmentProblem(f"cannot write in {self._folder}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.reload_if_changed()
            yield
        except OSError as error:
            raise EnvironmentProblem(f"cannot write in {self._folder}: {error.strerror}") from None
        finally:
            os.close(lock)

    def _pepper(self, *, create: bool = False) -> bytes:
        """The HMAC's key: from the environment, else from the folder, where it is made once if `create`."""
        written = self._env.get(PEPPER_VARIABLE, "")
        if not written and (elsewhere := self._env.get(f"{PEPPER_VARIABLE}_FILE")):
            written = _pepper_text(Path(elsewhere))
        if written:
            if len(written) < PEPPER_BYTES:
                raise EnvironmentProblem(
                    f"{PEPPER_VARIABLE} is shorter than {PEPPER_BYTES} characters",
                    hint="make one with: head -c32 /dev/urandom | base64",
                )
            return written.encode()
        file = self._folder / "pepper"
        if create and not file.exists():
            _replace(file, secrets.token_hex(PEPPER_BYTES).encode() + b"\n")
        return _pepper_text(file).encode()


class _PepperedHash:
    """HMAC-SHA-256 (RFC 2104) under one key whose two padded blocks are hashed beforehand.

    Less than half the time of `hmac.digest`, which sets them up for every message.
    """

    def __init__(self, key: bytes) -> None:
        block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __call__(self, message: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def _letters(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()


def _timestamp(now: datetime | None) -> str:
    return (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ino, status.st_size


def _pepper_text(file: Path) -> str:
    """The pepper in this file; refused where others may read it."""
    try:
        with file.open(encoding="ascii", errors="replace") as stream:
            others = os.fstat(stream.fileno()).st_mode & 0o077
            text = stream.read(4096).strip()
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read the pepper {file}: {error.strerror}",
            hint="without it no key can be checked: restore it, or remove keys.json and create new keys",
        ) from None
    if others:
        raise EnvironmentProblem(f"others may read the pepper {file}", hint=f"chmod 600 {file}")
    return text


def _replace(file: Path, raw: bytes) -> None:
    """Writes a file of ours (0600) so that readers see the old one or the whole new one, crash or not."""
    new = file.with_name(f"{file.name}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as stream:
        stream.write(raw)
        stream.flush()
        os.fsync(handle)
    new.rename(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
