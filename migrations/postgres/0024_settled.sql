-- How the last sync left a district with nothing to do; columns as in sqlite/0024_settled.sql.

CREATE TABLE settled (
    district TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES district (id),
    revision BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL
);

CREATE FUNCTION forget_settled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM settled WHERE district IN (SELECT DISTINCT district FROM written);
    RETURN NULL;
END
$$;
CREATE FUNCTION forget_settled_of_seat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM settled WHERE district = NEW.district;
    RETURN NULL;
END
$$;
CREATE TRIGGER record_added_unsettles AFTER INSERT ON record
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_settled();
CREATE TRIGGER record_changed_unsettles AFTER UPDATE ON record
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_settled();
CREATE TRIGGER record_removed_unsettles AFTER DELETE ON record
    REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_settled();
CREATE TRIGGER seat_added_unsettles AFTER INSERT ON seat
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_settled();
-- When a seat was last used decides nothing here.
CREATE TRIGGER seat_changed_unsettles AFTER UPDATE ON seat FOR EACH ROW
    WHEN ((OLD.pool, OLD.since, OLD.claimed_at, OLD.leaving_since, OLD.leaving_upload, OLD.bridged, OLD.state)
        IS DISTINCT FROM
        (NEW.pool, NEW.since, NEW.claimed_at, NEW.leaving_since, NEW.leaving_upload, NEW.bridged, NEW.state))
    EXECUTE FUNCTION forget_settled_of_seat();
CREATE TRIGGER seat_removed_unsettles AFTER DELETE ON seat
    REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_settled();
CREATE TRIGGER waiting_added_unsettles AFTER INSERT ON waiting
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_settled();
CREATE TRIGGER waiting_changed_unsettles AFTER UPDATE ON waiting
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_settled();
CREATE TRIGGER waiting_removed_unsettles AFTER DELETE ON waiting
    REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_settled();
