-- Up to when turns are given out to ask a server that counts all processes together, by its origin and rate (store/pace.rs).
-- In milliseconds since 1970 by the clock of this database. A row for each, for ever; it says nothing of anyone.

CREATE TABLE pace (
    origin TEXT NOT NULL,
    per_second INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    PRIMARY KEY (origin, per_second)
) STRICT, WITHOUT ROWID;
