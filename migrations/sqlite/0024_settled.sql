-- How the last sync left a district with nothing to do (settled.rs). It counts at the district's revision only, so whatever is
-- written afterwards ends it, by whichever program. Holds counts, no person.

CREATE TABLE settled (
    district TEXT NOT NULL PRIMARY KEY REFERENCES district (id),
    revision INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
