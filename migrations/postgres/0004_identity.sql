-- What people said of accounts that may be of one person: accepted, or refused for ever. `person_link` has the links that
-- follow from it.

CREATE TABLE identity_decision (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    id TEXT COLLATE "C" NOT NULL,
    first_account TEXT COLLATE "C" NOT NULL,
    second_account TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, id)
);
