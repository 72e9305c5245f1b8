-- What tells the row of each active record from any other; columns as in sqlite/0021_known.sql.

CREATE TABLE known_row (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    kind TEXT COLLATE "C" NOT NULL,
    seed TEXT COLLATE "C" NOT NULL,
    stamp TEXT COLLATE "C" NOT NULL,
    marks BYTEA NOT NULL,
    PRIMARY KEY (district, kind)
);

CREATE INDEX record_archived ON record (district, kind, id) WHERE NOT active;
