-- Modes of a district (safety.md): every one that was ever set, by number, as JSON; an ended one says when.

CREATE TABLE district_mode (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    number BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, number)
);

-- What the latest complete snapshot would change and a mode or quiet hours keep back. `after` is null for a removal.
CREATE TABLE kept_change (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    after TEXT COLLATE "C",
    tombstone BOOLEAN NOT NULL,
    PRIMARY KEY (district, kind, id)
);

-- Since when the source does not share the district any more, as JSON; null while it does. And the Clever app that listed it.
ALTER TABLE district ADD COLUMN disconnected TEXT COLLATE "C";
ALTER TABLE district ADD COLUMN app TEXT COLLATE "C";
