-- Up to when turns are given out to ask a server that counts all processes together; columns as in sqlite/0029_pace.sql.

CREATE TABLE pace (
    origin TEXT COLLATE "C" NOT NULL,
    per_second BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    PRIMARY KEY (origin, per_second)
);
