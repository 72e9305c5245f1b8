-- What someone should look at, open or cleared; `body` is the whole of it. Columns and tables as in postgres/0003_alert.sql.
CREATE TABLE alert (
    district TEXT NOT NULL REFERENCES district (id),
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    body TEXT NOT NULL,
    PRIMARY KEY (district, id)
) STRICT;
CREATE INDEX alert_id ON alert (id);

-- Seats in use at the end of a local day, of a product or (`school` not empty) of one school's allotment of it. A day without
-- a row is as the one before it.
CREATE TABLE seats_daily (
    district TEXT NOT NULL REFERENCES district (id),
    product TEXT NOT NULL,
    school TEXT NOT NULL,
    day TEXT NOT NULL,
    assigned INTEGER NOT NULL,
    PRIMARY KEY (district, product, school, day)
) STRICT;

-- Thresholds that the district changed; each holds until the catalog's own value is another one.
CREATE TABLE threshold_overlay (
    district TEXT NOT NULL REFERENCES district (id),
    subscription TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (district, subscription)
) STRICT;
