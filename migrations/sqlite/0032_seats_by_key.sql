-- Seats and places in line are read and written in the order of their keys, so they lie in it: WITHOUT ROWID, as they are
-- otherwise in 0001_store.sql. With a table go its triggers, which are those of 0024_settled.sql.

CREATE TABLE seat_by_key (
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
) STRICT, WITHOUT ROWID;
INSERT INTO seat_by_key SELECT * FROM seat ORDER BY district, product, user_id;
DROP TABLE seat;
ALTER TABLE seat_by_key RENAME TO seat;

CREATE TABLE waiting_by_key (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    user_id TEXT NOT NULL,
    since INTEGER NOT NULL,
    position INTEGER NOT NULL,
    short_of TEXT NOT NULL,
    PRIMARY KEY (district, product, user_id)
) STRICT, WITHOUT ROWID;
INSERT INTO waiting_by_key SELECT * FROM waiting ORDER BY district, product, user_id;
DROP TABLE waiting;
ALTER TABLE waiting_by_key RENAME TO waiting;

CREATE TRIGGER seat_added_unsettles AFTER INSERT ON seat BEGIN
    DELETE FROM settled WHERE district = NEW.district;
END;
CREATE TRIGGER seat_changed_unsettles AFTER UPDATE OF district, product, user_id, pool, since, claimed_at, leaving_since, leaving_upload, bridged, state ON seat BEGIN
    DELETE FROM settled WHERE district IN (OLD.district, NEW.district);
END;
CREATE TRIGGER seat_removed_unsettles AFTER DELETE ON seat BEGIN
    DELETE FROM settled WHERE district = OLD.district;
END;
CREATE TRIGGER waiting_added_unsettles AFTER INSERT ON waiting BEGIN
    DELETE FROM settled WHERE district = NEW.district;
END;
CREATE TRIGGER waiting_changed_unsettles AFTER UPDATE ON waiting BEGIN
    DELETE FROM settled WHERE district IN (OLD.district, NEW.district);
END;
CREATE TRIGGER waiting_removed_unsettles AFTER DELETE ON waiting BEGIN
    DELETE FROM settled WHERE district = OLD.district;
END;
