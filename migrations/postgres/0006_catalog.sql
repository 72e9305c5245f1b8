-- The catalog in two layers: what its document and single purchases say, and what is in force for a district. A run of the
-- district takes up what is said, with the seats that follow, in one transaction. `product` holds the document's products,
-- `subscription` what is in force. Columns and tables as in sqlite/0006_catalog.sql.

CREATE TABLE offered_subscription (
    district TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    vanished_since BIGINT,
    PRIMARY KEY (district, id)
);

-- The latest purchase of each subscription that came on its own, beside the catalog's document.
CREATE TABLE purchase (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    subscription TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, subscription)
);

-- Products as they are in force for a district that bought them.
CREATE TABLE district_product (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    code TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, code)
);

-- One row: how the last look at the document ended, and what is needed to ask for it again.
CREATE TABLE catalog_look (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    looked_at BIGINT NOT NULL,
    source TEXT COLLATE "C",
    etag TEXT COLLATE "C",
    outcome TEXT COLLATE "C" NOT NULL
);

-- What was in force before this migration was what the document said.
INSERT INTO offered_subscription (district, id, body) SELECT district, id, body FROM subscription;
INSERT INTO district_product (district, code, body)
    SELECT DISTINCT d.id, p.code, p.body FROM district AS d
    JOIN subscription AS s ON s.district = d.id
    JOIN product AS p ON p.code = s.product;
