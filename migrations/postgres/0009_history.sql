-- Seats as they were when they ended, so that a revert gives the same seat back. Erasable, kept as long as archived rows.
-- Columns and tables as in sqlite/0009_history.sql.
CREATE TABLE seat_history (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    product TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    pool TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    claimed_at BIGINT,
    last_used_at BIGINT,
    reason TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, run, product, user_id)
);

-- Users who were erased, by the keyed hash of their id: a feed that sends them again is not listened to.
CREATE TABLE erased (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    name TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (district, name)
);

-- When a task of the installation was last done to its end.
CREATE TABLE upkeep (
    task TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    done_at BIGINT NOT NULL
);
