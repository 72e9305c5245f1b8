-- The enrollments of a district in one value; columns as in sqlite/0028_image.sql.

CREATE TABLE roster_image (
    district TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    stamp TEXT COLLATE "C" NOT NULL,
    image BYTEA NOT NULL,
    PRIMARY KEY (district, kind),
    FOREIGN KEY (district, kind) REFERENCES known_row (district, kind) ON DELETE CASCADE
);
