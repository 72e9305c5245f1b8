-- What tells the row of each active record from any other, so that a row which did not change is not read (snapshot/known.rs).
-- Keyed hashes in the order of records, 24 bytes each. Whoever writes records takes them away, be it an older program beside
-- this one or a person with the database's own shell; the triggers at the end see to it.

CREATE TABLE known_row (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    seed TEXT NOT NULL,
    stamp TEXT NOT NULL,
    marks BLOB NOT NULL,
    PRIMARY KEY (district, kind)
) STRICT;

-- Records and their versions are read and written in the order of their keys, so they lie in it: WITHOUT ROWID, as they are
-- otherwise in 0001_store.sql.

CREATE TABLE record_by_key (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    departed INTEGER NOT NULL CHECK (departed IN (0, 1)),
    changed_run TEXT NOT NULL,
    PRIMARY KEY (district, kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO record_by_key SELECT * FROM record ORDER BY district, kind, id;
DROP TABLE record;
ALTER TABLE record_by_key RENAME TO record;
CREATE INDEX record_departed ON record (district, kind) WHERE departed;
CREATE INDEX record_archived ON record (district, kind, id) WHERE NOT active;

CREATE TABLE record_version_by_key (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    run TEXT NOT NULL,
    verb TEXT NOT NULL CHECK (verb IN ('added', 'restored', 'changed', 'removed')),
    "before" TEXT,
    "after" TEXT,
    PRIMARY KEY (district, kind, id, run)
) STRICT, WITHOUT ROWID;
INSERT INTO record_version_by_key SELECT * FROM record_version ORDER BY district, kind, id, run;
DROP TABLE record_version;
ALTER TABLE record_version_by_key RENAME TO record_version;
CREATE INDEX record_version_run ON record_version (district, run);

CREATE TRIGGER record_added_forgets AFTER INSERT ON record BEGIN
    DELETE FROM known_row WHERE district = NEW.district;
END;
CREATE TRIGGER record_changed_forgets AFTER UPDATE ON record BEGIN
    DELETE FROM known_row WHERE district IN (OLD.district, NEW.district);
END;
CREATE TRIGGER record_removed_forgets AFTER DELETE ON record BEGIN
    DELETE FROM known_row WHERE district = OLD.district;
END;
