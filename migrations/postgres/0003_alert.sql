-- What someone should look at, open or cleared; `body` is the whole of it. Columns and tables as in sqlite/0003_alert.sql.
CREATE TABLE alert (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    is_open BOOLEAN NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, id)
);
CREATE INDEX alert_id ON alert (id);

-- Seats in use at the end of a local day, of a product or (`school` not empty) of one school's allotment of it. A day without
-- a row is as the one before it.
CREATE TABLE seats_daily (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    product TEXT COLLATE "C" NOT NULL,
    school TEXT COLLATE "C" NOT NULL,
    day TEXT COLLATE "C" NOT NULL,
    assigned BIGINT NOT NULL,
    PRIMARY KEY (district, product, school, day)
);

-- Thresholds that the district changed; each holds until the catalog's own value is another one.
CREATE TABLE threshold_overlay (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    subscription TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, subscription)
);
