-- What tells the row of each active record from any other; columns as in sqlite/0021_known.sql.

CREATE TABLE known_row (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    kind TEXT COLLATE "C" NOT NULL,
    seed TEXT COLLATE "C" NOT NULL,
    stamp TEXT COLLATE "C" NOT NULL,
    marks BYTEA NOT NULL,
    PRIMARY KEY (district, kind)
);

CREATE INDEX record_archived ON record (district, kind, id) WHERE NOT active;

CREATE FUNCTION forget_known_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM known_row WHERE district IN (SELECT DISTINCT district FROM written);
    RETURN NULL;
END
$$;
CREATE TRIGGER record_added_forgets AFTER INSERT ON record
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_known_rows();
CREATE TRIGGER record_changed_forgets AFTER UPDATE ON record
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_known_rows();
CREATE TRIGGER record_removed_forgets AFTER DELETE ON record
    REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_known_rows();
