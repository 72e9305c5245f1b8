-- What syncs released unattended, by run: the guard looks at all districts together (safety.md, fleet/released).

CREATE TABLE fleet_release (
    district TEXT NOT NULL REFERENCES district (id),
    run TEXT NOT NULL,
    at INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (district, run)
) STRICT, WITHOUT ROWID;

-- Each time that was too much, by number, as JSON; an acknowledged one says by whom and when.
CREATE TABLE fleet_hold (
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (number)
) STRICT, WITHOUT ROWID;
