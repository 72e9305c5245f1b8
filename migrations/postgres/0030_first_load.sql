-- The first load of a district; columns as in sqlite/0030_first_load.sql.

ALTER TABLE district ADD COLUMN first_run TEXT COLLATE "C";
ALTER TABLE district ADD COLUMN first_revision BIGINT;
