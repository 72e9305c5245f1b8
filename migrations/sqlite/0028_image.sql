-- The enrollments of a district in one value (store/image.rs), a copy of what lies in record: good as long as the marks beside it
-- are, which any write of a record takes away (0021_known.sql). Of another stamp than these it is nothing any more, so that one
-- which a shell without foreign keys left behind is never read.

CREATE TABLE roster_image (
    district TEXT NOT NULL,
    kind TEXT NOT NULL,
    stamp TEXT NOT NULL,
    image BLOB NOT NULL,
    PRIMARY KEY (district, kind),
    FOREIGN KEY (district, kind) REFERENCES known_row (district, kind) ON DELETE CASCADE
) STRICT;
