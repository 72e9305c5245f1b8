-- Seats as they were when they ended, so that a revert gives the same seat back. Erasable, kept as long as archived rows.
-- Columns and tables as in postgres/0009_history.sql.
CREATE TABLE seat_history (
    district TEXT NOT NULL REFERENCES district (id),
    run TEXT NOT NULL REFERENCES run (id),
    product TEXT NOT NULL,
    user_id TEXT NOT NULL,
    pool TEXT NOT NULL,
    since INTEGER NOT NULL,
    claimed_at INTEGER,
    last_used_at INTEGER,
    reason TEXT NOT NULL,
    PRIMARY KEY (district, run, product, user_id)
) STRICT;

-- Users who were erased, by the keyed hash of their id: a feed that sends them again is not listened to.
CREATE TABLE erased (
    district TEXT NOT NULL REFERENCES district (id),
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (district, name)
) STRICT;

-- When a task of the installation was last done to its end.
CREATE TABLE upkeep (
    task TEXT NOT NULL PRIMARY KEY,
    done_at INTEGER NOT NULL
) STRICT;
