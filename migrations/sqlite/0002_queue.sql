-- The queue, in a file of its own so that a long apply never delays an acknowledgement. Instants are milliseconds since
-- 1970. Columns and tables as in postgres/0002_queue.sql.

CREATE TABLE request (
    run TEXT NOT NULL PRIMARY KEY,
    filed INTEGER NOT NULL UNIQUE,
    district TEXT NOT NULL,
    mode TEXT NOT NULL,
    cause TEXT NOT NULL,
    requested_by TEXT,
    reason TEXT,
    payload TEXT,
    as_of INTEGER NOT NULL,
    status TEXT NOT NULL,
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    attempts INTEGER NOT NULL DEFAULT 0,
    cancel_asked INTEGER NOT NULL DEFAULT 0 CHECK (cancel_asked IN (0, 1))
) STRICT;
CREATE INDEX request_open ON request (filed) WHERE is_open;

CREATE TABLE lease (
    district TEXT NOT NULL PRIMARY KEY,
    owner TEXT,
    run TEXT,
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE night (
    district TEXT NOT NULL,
    night_key TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (district, night_key)
) STRICT;

-- One row for each district counts its requests; the row `*` counts all of them.
CREATE TABLE ordinal (
    district TEXT NOT NULL PRIMARY KEY,
    latest INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
    name TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    districts TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE idempotency (
    key TEXT NOT NULL PRIMARY KEY,
    body_hash TEXT NOT NULL,
    run TEXT NOT NULL
) STRICT;
