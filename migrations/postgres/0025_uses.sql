-- How many reports of use a district had that decided nothing: they move no revision, and yet change how many of its seats
-- were used lately, so whoever keeps numbers in memory counts anew.

ALTER TABLE district ADD COLUMN uses BIGINT NOT NULL DEFAULT 0;
