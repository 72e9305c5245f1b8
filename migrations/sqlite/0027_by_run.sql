-- Versions of records are written a run at a time and read by their run, so they lie in that order and need no index beside it.
-- What changed last lies by its key alone, too.

CREATE TABLE record_version_by_run (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    run TEXT NOT NULL,
    verb TEXT NOT NULL CHECK (verb IN ('added', 'restored', 'changed', 'removed')),
    "before" TEXT,
    "after" TEXT,
    PRIMARY KEY (district, run, kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO record_version_by_run SELECT * FROM record_version ORDER BY district, run, kind, id;
DROP TABLE record_version;
ALTER TABLE record_version_by_run RENAME TO record_version;

CREATE TABLE change_key_by_id (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (district, kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO change_key_by_id SELECT * FROM change_key ORDER BY district, kind, id;
DROP TABLE change_key;
ALTER TABLE change_key_by_id RENAME TO change_key;
CREATE INDEX change_key_revision ON change_key (district, revision, kind, id);

-- Who teaches a class, without walking through everybody who is in one. The id of an enrollment is `["user","class","role"]`.
CREATE INDEX record_teacher ON record (district, json_extract(id, '$[1]'))
    WHERE kind = 'enrollments' AND substr(id, -10) = '"teacher"]';

-- The newest changes of seats, past all those of records.
CREATE INDEX audit_seat ON audit (district, seq) WHERE entity = 'seat';
