-- The first load of a district (store/first.rs): which run it was, and the revision that it made. Its records have no row in
-- change_key until they change again, and no version. Columns as in postgres/0030_first_load.sql.

ALTER TABLE district ADD COLUMN first_run TEXT;
ALTER TABLE district ADD COLUMN first_revision INTEGER;
