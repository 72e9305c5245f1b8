-- How the last sync left a district with nothing to do; columns as in sqlite/0024_settled.sql.

CREATE TABLE settled (
    district TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES district (id),
    revision BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL
);
