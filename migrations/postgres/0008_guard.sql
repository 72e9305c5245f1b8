-- What the guard remembers of seven days: losses that no person approved, one row for each thing lost, so that a loss that
-- came back counts no more. `schools` is a JSON array of the schools in which it counts.

CREATE TABLE recent_loss (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    what TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    lost_on TEXT COLLATE "C" NOT NULL,
    schools TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, what, id)
);
