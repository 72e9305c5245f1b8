-- How the last sync left a district with nothing to do (settled.rs). It counts at the district's revision only, so whatever is
-- written afterwards ends it, by whichever program; a person with the database's own shell moves no revision, so triggers see
-- to what is theirs to break. Holds counts, no person.

CREATE TABLE settled (
    district TEXT NOT NULL PRIMARY KEY REFERENCES district (id),
    revision INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TRIGGER record_added_unsettles AFTER INSERT ON record BEGIN
    DELETE FROM settled WHERE district = NEW.district;
END;
CREATE TRIGGER record_changed_unsettles AFTER UPDATE ON record BEGIN
    DELETE FROM settled WHERE district IN (OLD.district, NEW.district);
END;
CREATE TRIGGER record_removed_unsettles AFTER DELETE ON record BEGIN
    DELETE FROM settled WHERE district = OLD.district;
END;
-- When a seat was last used decides nothing here.
CREATE TRIGGER seat_added_unsettles AFTER INSERT ON seat BEGIN
    DELETE FROM settled WHERE district = NEW.district;
END;
CREATE TRIGGER seat_changed_unsettles AFTER UPDATE OF district, product, user_id, pool, since, claimed_at, leaving_since, leaving_upload, bridged, state ON seat BEGIN
    DELETE FROM settled WHERE district IN (OLD.district, NEW.district);
END;
CREATE TRIGGER seat_removed_unsettles AFTER DELETE ON seat BEGIN
    DELETE FROM settled WHERE district = OLD.district;
END;
CREATE TRIGGER waiting_added_unsettles AFTER INSERT ON waiting BEGIN
    DELETE FROM settled WHERE district = NEW.district;
END;
CREATE TRIGGER waiting_changed_unsettles AFTER UPDATE ON waiting BEGIN
    DELETE FROM settled WHERE district IN (OLD.district, NEW.district);
END;
CREATE TRIGGER waiting_removed_unsettles AFTER DELETE ON waiting BEGIN
    DELETE FROM settled WHERE district = OLD.district;
END;
