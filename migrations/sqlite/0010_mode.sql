-- Modes of a district (safety.md): every one that was ever set, by number, as JSON; an ended one says when.

CREATE TABLE district_mode (
    district TEXT NOT NULL REFERENCES district (id),
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (district, number)
) STRICT, WITHOUT ROWID;

-- What the latest complete snapshot would change and a mode or quiet hours keep back. `after` is null for a removal.
CREATE TABLE kept_change (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    after TEXT,
    tombstone INTEGER NOT NULL CHECK (tombstone IN (0, 1)),
    PRIMARY KEY (district, kind, id)
) STRICT, WITHOUT ROWID;

-- Since when the source does not share the district any more, as JSON; null while it does. And the Clever app that listed it.
ALTER TABLE district ADD COLUMN disconnected TEXT;
ALTER TABLE district ADD COLUMN app TEXT;
