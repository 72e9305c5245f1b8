-- The store: districts, their records, seats, runs and audit. Instants are milliseconds since 1970, but `audit.at`, which
-- is text so that the table can be checked without this program. Columns and tables as in postgres/0001_store.sql.

CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE district (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    end_dates TEXT NOT NULL CHECK (end_dates IN ('exclusive', 'inclusive')),
    revision INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    audit_seq INTEGER NOT NULL DEFAULT 0,
    audit_head TEXT NOT NULL,
    source TEXT,
    allocated_at INTEGER,
    remembered TEXT
) STRICT;

CREATE TABLE record (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    departed INTEGER NOT NULL CHECK (departed IN (0, 1)),
    changed_run TEXT NOT NULL,
    PRIMARY KEY (district, kind, id)
) STRICT;
CREATE INDEX record_departed ON record (district, kind) WHERE departed;

-- The erasable history: names live here and in `record`, never in `audit`.
CREATE TABLE record_version (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    run TEXT NOT NULL,
    verb TEXT NOT NULL CHECK (verb IN ('added', 'restored', 'changed', 'removed')),
    "before" TEXT,
    "after" TEXT,
    PRIMARY KEY (district, kind, id, run)
) STRICT;
CREATE INDEX record_version_run ON record_version (district, run);

CREATE TABLE seat (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    user_id TEXT NOT NULL,
    pool TEXT NOT NULL,
    since INTEGER NOT NULL,
    claimed_at INTEGER,
    last_used_at INTEGER,
    leaving_since TEXT,
    leaving_upload TEXT,
    bridged INTEGER NOT NULL CHECK (bridged IN (0, 1)),
    state TEXT NOT NULL,
    PRIMARY KEY (district, product, user_id)
) STRICT;

CREATE TABLE waiting (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    user_id TEXT NOT NULL,
    since INTEGER NOT NULL,
    position INTEGER NOT NULL,
    short_of TEXT NOT NULL,
    PRIMARY KEY (district, product, user_id)
) STRICT;

CREATE TABLE seat_ended (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    user_id TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (district, product, user_id)
) STRICT;

CREATE TABLE override (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pin', 'exclude')),
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    until TEXT,
    PRIMARY KEY (district, product, user_id)
) STRICT;

CREATE TABLE educator_access (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    educator TEXT NOT NULL,
    is_on INTEGER NOT NULL CHECK (is_on IN (0, 1)),
    PRIMARY KEY (district, product, educator)
) STRICT;

-- What people decided of a user or a whole class and one product.
CREATE TABLE assignment (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    target TEXT NOT NULL CHECK (target IN ('user', 'class')),
    target_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (district, product, target, target_id)
) STRICT;

-- When a user first and last used a product.
CREATE TABLE activity (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    user_id TEXT NOT NULL,
    first_used INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    PRIMARY KEY (district, product, user_id)
) STRICT;

-- Accepted links: each account of a person with the one that stands for all.
CREATE TABLE person_link (
    district TEXT NOT NULL REFERENCES district (id),
    account TEXT NOT NULL,
    person TEXT NOT NULL,
    PRIMARY KEY (district, account)
) STRICT;

-- Splits that the district changed; each holds until the catalog's own value is another one.
CREATE TABLE allotment_overlay (
    district TEXT NOT NULL REFERENCES district (id),
    subscription TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (district, subscription)
) STRICT;

CREATE TABLE run (
    id TEXT NOT NULL PRIMARY KEY,
    district TEXT NOT NULL REFERENCES district (id),
    ordinal INTEGER NOT NULL,
    status TEXT NOT NULL,
    as_of INTEGER NOT NULL,
    undecided INTEGER NOT NULL CHECK (undecided IN (0, 1)),
    record TEXT NOT NULL,
    UNIQUE (district, ordinal)
) STRICT;
CREATE INDEX run_undecided ON run (district, ordinal) WHERE undecided;

CREATE TABLE held_change (
    run TEXT NOT NULL REFERENCES run (id),
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    held_groups TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT,
    tombstone INTEGER NOT NULL CHECK (tombstone IN (0, 1)),
    decision TEXT,
    decided_by TEXT,
    decided_at INTEGER,
    PRIMARY KEY (run, kind, id)
) STRICT;

CREATE TABLE decision (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('approved', 'refused')),
    version TEXT,
    until INTEGER,
    run TEXT NOT NULL,
    PRIMARY KEY (district, kind, id)
) STRICT;

CREATE TABLE product (
    code TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE subscription (
    id TEXT NOT NULL PRIMARY KEY,
    district TEXT NOT NULL,
    product TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX subscription_district ON subscription (district);

-- WITHOUT ROWID: with a rowid, a replace by rowid could drop an entry past the trigger on `seq`.
CREATE TABLE audit (
    district TEXT NOT NULL REFERENCES district (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    run TEXT,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    category TEXT NOT NULL,
    action TEXT NOT NULL,
    entity TEXT NOT NULL,
    id TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT,
    reason TEXT,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (district, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'audit is append-only');
END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'audit is append-only');
END;
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE district = NEW.district AND seq = NEW.seq) BEGIN
    SELECT RAISE(ABORT, 'audit is append-only');
END;
