-- What people said of accounts that may be of one person: accepted, or refused for ever. `person_link` has the links that
-- follow from it.

CREATE TABLE identity_decision (
    district TEXT NOT NULL REFERENCES district (id),
    id TEXT NOT NULL,
    first_account TEXT NOT NULL,
    second_account TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (district, id)
) STRICT;
