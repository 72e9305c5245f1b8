-- What the guard remembers of seven days: losses that no person approved, one row for each thing lost, so that a loss that
-- came back counts no more. `schools` is a JSON array of the schools in which it counts.

CREATE TABLE recent_loss (
    district TEXT NOT NULL REFERENCES district (id),
    what TEXT NOT NULL,
    id TEXT NOT NULL,
    lost_on TEXT NOT NULL,
    schools TEXT NOT NULL,
    PRIMARY KEY (district, what, id)
) STRICT, WITHOUT ROWID;
