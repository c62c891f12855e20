"""The store's tables, as the migrations that make them.

A database carries the number of migrations it has seen in `user_version`. A migration that was released is
never edited; the next one is appended. Money is integer nano-dollars, times are nanoseconds (wall clock where
named `at`, `began` or `ended`). NULL is unknown or not applicable, never 0.
"""

from __future__ import annotations

BEGIN_COLUMNS = {
    "request_id": "TEXT",
    "attempt": "INTEGER",
    "began_ns": "INTEGER",
    "tenant": "TEXT",
    "key_id": "TEXT",
    "data_class": "TEXT",
    "model": "TEXT",
    "endpoint": "TEXT",
    "stream": "INTEGER",
    "input_estimate": "INTEGER",
    "output_estimate": "INTEGER",
    "tags": "TEXT",
    "target": "TEXT",
    "side": "TEXT",
    "reason": "TEXT",
    "money_nano": "INTEGER",
    "congestion_nano": "INTEGER",
    "quality_nano": "INTEGER",
    "predicted_ttft_ms": "REAL",
    "predicted_tpot_ms": "REAL",
    "config_version": "TEXT",
    "price_version": "TEXT",
    "reserved_nano": "INTEGER",
}
"""Columns of `attempts` known when it begins, in the order of `booking.begin_row`, and their types."""

_METERED = {
    "cache_write_1h_tokens": "INTEGER",
    "input_audio_tokens": "INTEGER",
    "output_audio_tokens": "INTEGER",
    "cached_audio_tokens": "INTEGER",
    "output_image_tokens": "INTEGER",
    "searches": "INTEGER",
    "service_tier": "TEXT",
    "unpriced": "INTEGER",
}
"""What an attempt used besides, added behind the first tables' columns; NULL in rows booked before."""

_ENDED = {
    "ended_ns": "INTEGER",
    "outcome": "TEXT",
    "status": "INTEGER",
    "duration_ns": "INTEGER",
    "ttft_ns": "INTEGER",
    "error_code": "TEXT",
    "upstream_request_id": "TEXT",
    "input_tokens": "INTEGER",
    "cached_input_tokens": "INTEGER",
    "cache_write_tokens": "INTEGER",
    "output_tokens": "INTEGER",
    "reasoning_tokens": "INTEGER",
    "estimated": "INTEGER",
    "cost_nano": "INTEGER",
    "counterfactual_nano": "INTEGER",
    "counterfactual_target": "TEXT",
    "room_ns": "INTEGER",
}
END_COLUMNS = {**_ENDED, **_METERED}
"""Columns of `attempts` known when it ended, in the order of `booking.end_row`."""

COLUMN_TYPES = {**BEGIN_COLUMNS, **_ENDED, "amortised_nano": "INTEGER", **_METERED}
ATTEMPT_COLUMNS = tuple(COLUMN_TYPES)
"""Every column of `attempts`: what `ledger export` writes."""

BOOLEAN_COLUMNS = ("stream", "estimated", "unpriced")
"""INTEGER columns that hold 0 or 1."""

_FIRST = """
CREATE TABLE attempts (
    request_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    -- what began (NULL only where a damaged segment swallowed the begin)
    began_ns INTEGER,
    tenant TEXT,
    key_id TEXT,
    data_class TEXT,
    model TEXT,
    endpoint TEXT,
    stream INTEGER,
    input_estimate INTEGER,
    output_estimate INTEGER,
    tags TEXT,                     -- JSON object
    target TEXT,
    side TEXT,
    reason TEXT,
    money_nano INTEGER,
    congestion_nano INTEGER,
    quality_nano INTEGER,
    predicted_ttft_ms REAL,
    predicted_tpot_ms REAL,
    config_version TEXT,
    price_version TEXT,
    reserved_nano INTEGER,
    -- how it ended (outcome NULL: still running)
    ended_ns INTEGER,
    outcome TEXT,
    status INTEGER,
    duration_ns INTEGER,
    ttft_ns INTEGER,
    error_code TEXT,
    upstream_request_id TEXT,
    input_tokens INTEGER,
    cached_input_tokens INTEGER,
    cache_write_tokens INTEGER,
    output_tokens INTEGER,
    reasoning_tokens INTEGER,
    estimated INTEGER,
    cost_nano INTEGER,             -- marginal: 0 on owned targets
    counterfactual_nano INTEGER,
    counterfactual_target TEXT,
    room_ns INTEGER,
    amortised_nano INTEGER,        -- owned: set when the hour of `ended_ns` is closed
    UNIQUE (request_id, attempt)
);
CREATE INDEX attempts_began ON attempts (began_ns);
CREATE INDEX attempts_owned_ended ON attempts (target, ended_ns) WHERE side = 'owned';

CREATE TABLE open_attempts (       -- running longer than ingest keeps in memory; whose they are
    request_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    writer TEXT NOT NULL,
    PRIMARY KEY (request_id, attempt)
) WITHOUT ROWID;

CREATE TABLE refusals (
    request_id TEXT NOT NULL PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    code TEXT NOT NULL,
    status INTEGER NOT NULL,
    source TEXT NOT NULL
);
CREATE INDEX refusals_at ON refusals (at_ns);

CREATE TABLE fleets (              -- which owned targets were paid for, as testified
    at_ns INTEGER NOT NULL,
    version TEXT NOT NULL,
    owned TEXT NOT NULL,           -- JSON array of [target, nano-dollars per hour]
    stopping INTEGER NOT NULL,
    PRIMARY KEY (at_ns, version)
) WITHOUT ROWID;

CREATE TABLE hours (               -- closed hours of owned targets: price = amortised + idle
    target TEXT NOT NULL,
    hour_ns INTEGER NOT NULL,      -- when it began, a whole hour of UTC
    paid_ns INTEGER NOT NULL,      -- the part of it that was paid for
    price_nano INTEGER NOT NULL,
    room_ns INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    amortised_nano INTEGER NOT NULL,
    idle_nano INTEGER NOT NULL,
    PRIMARY KEY (target, hour_ns)
) WITHOUT ROWID;

CREATE TABLE writers (             -- how far each journal is booked; reading begins here again
    writer TEXT NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE damage (              -- journal bytes that could not be read; the file is kept aside
    segment TEXT NOT NULL,
    at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    what TEXT NOT NULL,
    found_ns INTEGER NOT NULL,
    PRIMARY KEY (segment, at)
) WITHOUT ROWID;
"""

_SECOND = """
ALTER TABLE attempts ADD COLUMN cache_write_1h_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN input_audio_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN output_audio_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN cached_audio_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN output_image_tokens INTEGER;
ALTER TABLE attempts ADD COLUMN searches INTEGER;
ALTER TABLE attempts ADD COLUMN service_tier TEXT;
ALTER TABLE attempts ADD COLUMN unpriced INTEGER;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _SECOND)
"""SQL scripts, the first makes an empty database; each runs in one transaction."""
