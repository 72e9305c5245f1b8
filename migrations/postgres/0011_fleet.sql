-- What syncs released unattended, by run: the guard looks at all districts together (safety.md, fleet/released).

CREATE TABLE fleet_release (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    run TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (district, run)
);

-- Each time that was too much, by number, as JSON; an acknowledged one says by whom and when.
CREATE TABLE fleet_hold (
    number BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (number)
);
