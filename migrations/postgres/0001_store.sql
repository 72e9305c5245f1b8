-- The store: districts, their records, seats, runs and audit. Instants are milliseconds since 1970, but `audit.at`, which
-- is text so that the table can be checked without this program. Columns and tables as in sqlite/0001_store.sql.

CREATE TABLE meta (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE district (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    time_zone TEXT COLLATE "C" NOT NULL,
    end_dates TEXT COLLATE "C" NOT NULL CHECK (end_dates IN ('exclusive', 'inclusive')),
    revision BIGINT NOT NULL DEFAULT 0,
    fence BIGINT NOT NULL DEFAULT 0,
    audit_seq BIGINT NOT NULL DEFAULT 0,
    audit_head TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C",
    allocated_at BIGINT,
    remembered TEXT COLLATE "C"
);

CREATE TABLE record (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    departed BOOLEAN NOT NULL,
    changed_run TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, kind, id)
);
CREATE INDEX record_departed ON record (district, kind) WHERE departed;

-- The erasable history: names live here and in `record`, never in `audit`.
CREATE TABLE record_version (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL,
    verb TEXT COLLATE "C" NOT NULL CHECK (verb IN ('added', 'restored', 'changed', 'removed')),
    "before" TEXT COLLATE "C",
    "after" TEXT COLLATE "C",
    PRIMARY KEY (district, kind, id, run)
);
CREATE INDEX record_version_run ON record_version (district, run);

CREATE TABLE seat (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    product TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    pool TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    claimed_at BIGINT,
    last_used_at BIGINT,
    leaving_since TEXT COLLATE "C",
    leaving_upload TEXT COLLATE "C",
    bridged BOOLEAN NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, product, user_id)
);

CREATE TABLE waiting (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    product TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    position BIGINT NOT NULL,
    short_of TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, product, user_id)
);

CREATE TABLE seat_ended (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    product TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    ended_at BIGINT NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, product, user_id)
);

CREATE TABLE override (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    product TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('pin', 'exclude')),
    actor TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    until TEXT COLLATE "C",
    PRIMARY KEY (district, product, user_id)
);

CREATE TABLE educator_access (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    product TEXT COLLATE "C" NOT NULL,
    educator TEXT COLLATE "C" NOT NULL,
    is_on BOOLEAN NOT NULL,
    PRIMARY KEY (district, product, educator)
);

-- What people decided of a user or a whole class and one product.
CREATE TABLE assignment (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    product TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL CHECK (target IN ('user', 'class')),
    target_id TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, product, target, target_id)
);

-- When a user first and last used a product.
CREATE TABLE activity (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    product TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    first_used BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    PRIMARY KEY (district, product, user_id)
);

-- Accepted links: each account of a person with the one that stands for all.
CREATE TABLE person_link (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    account TEXT COLLATE "C" NOT NULL,
    person TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, account)
);

-- Splits that the district changed; each holds until the catalog's own value is another one.
CREATE TABLE allotment_overlay (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    subscription TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, subscription)
);

CREATE TABLE run (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    ordinal BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    as_of BIGINT NOT NULL,
    undecided BOOLEAN NOT NULL,
    record TEXT COLLATE "C" NOT NULL,
    UNIQUE (district, ordinal)
);
CREATE INDEX run_undecided ON run (district, ordinal) WHERE undecided;

CREATE TABLE held_change (
    run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    held_groups TEXT COLLATE "C" NOT NULL,
    "before" TEXT COLLATE "C",
    "after" TEXT COLLATE "C",
    tombstone BOOLEAN NOT NULL,
    decision TEXT COLLATE "C",
    decided_by TEXT COLLATE "C",
    decided_at BIGINT,
    PRIMARY KEY (run, kind, id)
);

CREATE TABLE decision (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL CHECK (verdict IN ('approved', 'refused')),
    version TEXT COLLATE "C",
    until BIGINT,
    run TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, kind, id)
);

CREATE TABLE product (
    code TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    body TEXT COLLATE "C" NOT NULL
);

CREATE TABLE subscription (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    district TEXT COLLATE "C" NOT NULL,
    product TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL
);
CREATE INDEX subscription_district ON subscription (district);

CREATE TABLE audit (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    seq BIGINT NOT NULL CHECK (seq > 0),
    run TEXT COLLATE "C",
    at TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    category TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    entity TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    "before" TEXT COLLATE "C",
    "after" TEXT COLLATE "C",
    reason TEXT COLLATE "C",
    prev TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, seq)
);

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit is append-only';
END;
$$;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
-- ALWAYS: also for a session that plays the replica.
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_no_change;
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_no_truncate;
REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM PUBLIC, CURRENT_USER;
