-- The catalog in two layers: what its document and single purchases say, and what is in force for a district. A run of the
-- district takes up what is said, with the seats that follow, in one transaction. `product` holds the document's products,
-- `subscription` what is in force. Columns and tables as in postgres/0006_catalog.sql.

CREATE TABLE offered_subscription (
    district TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    vanished_since INTEGER,
    PRIMARY KEY (district, id)
) STRICT;

-- The latest purchase of each subscription that came on its own, beside the catalog's document.
CREATE TABLE purchase (
    district TEXT NOT NULL REFERENCES district (id),
    subscription TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (district, subscription)
) STRICT;

-- Products as they are in force for a district that bought them.
CREATE TABLE district_product (
    district TEXT NOT NULL REFERENCES district (id),
    code TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (district, code)
) STRICT;

-- One row: how the last look at the document ended, and what is needed to ask for it again.
CREATE TABLE catalog_look (
    name TEXT NOT NULL PRIMARY KEY,
    looked_at INTEGER NOT NULL,
    source TEXT,
    etag TEXT,
    outcome TEXT NOT NULL
) STRICT;

-- What was in force before this migration was what the document said.
INSERT INTO offered_subscription (district, id, body) SELECT district, id, body FROM subscription;
INSERT INTO district_product (district, code, body)
    SELECT DISTINCT d.id, p.code, p.body FROM district AS d
    JOIN subscription AS s ON s.district = d.id
    JOIN product AS p ON p.code = s.product;
