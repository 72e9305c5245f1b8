-- The queue, in the same database; on SQLite it has a file of its own. Instants are milliseconds since
-- 1970. Columns and tables as in sqlite/0002_queue.sql.

CREATE TABLE request (
    run TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    filed BIGINT NOT NULL UNIQUE,
    district TEXT COLLATE "C" NOT NULL,
    mode TEXT COLLATE "C" NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    requested_by TEXT COLLATE "C",
    reason TEXT COLLATE "C",
    payload TEXT COLLATE "C",
    as_of BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    is_open BOOLEAN NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    cancel_asked BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX request_open ON request (filed) WHERE is_open;

CREATE TABLE lease (
    district TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner TEXT COLLATE "C",
    run TEXT COLLATE "C",
    fence BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE night (
    district TEXT COLLATE "C" NOT NULL,
    night_key TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, night_key)
);

-- One row for each district counts its requests; the row `*` counts all of them.
CREATE TABLE ordinal (
    district TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    latest BIGINT NOT NULL
);

CREATE TABLE token (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hash TEXT COLLATE "C" NOT NULL UNIQUE,
    scopes TEXT COLLATE "C" NOT NULL,
    districts TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE idempotency (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    body_hash TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL
);
