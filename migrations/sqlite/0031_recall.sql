-- What is recalled of a district's roster (store/recall.rs): marks of its rows (snapshot/known.rs) and an image of its records
-- (store/image), as a base and what each night since made of it, so that a night which changes a few records of a million writes
-- a few, too. The row in recall vouches for them: whoever writes records takes it away, be it an older program beside this one or
-- a person with the database's own shell. The parts stay, to be gone on from, except that what names people goes with any
-- record that is deleted for good.
--
-- known_row and roster_image were the same with everything written anew each night; programs before this one use them still.

CREATE TABLE recall (
    district TEXT NOT NULL PRIMARY KEY REFERENCES district (id),
    seed TEXT NOT NULL,
    stamp TEXT NOT NULL,
    base TEXT NOT NULL,
    nights INTEGER NOT NULL
) STRICT;

CREATE TABLE recall_part (
    district TEXT NOT NULL REFERENCES district (id),
    part TEXT NOT NULL,
    night INTEGER NOT NULL,
    base TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (district, part, night)
) STRICT;

DELETE FROM known_row;

DROP TRIGGER record_added_forgets;
DROP TRIGGER record_changed_forgets;
DROP TRIGGER record_removed_forgets;
CREATE TRIGGER record_added_forgets AFTER INSERT ON record BEGIN
    DELETE FROM known_row WHERE district = NEW.district;
    DELETE FROM recall WHERE district = NEW.district;
END;
CREATE TRIGGER record_changed_forgets AFTER UPDATE ON record BEGIN
    DELETE FROM known_row WHERE district IN (OLD.district, NEW.district);
    DELETE FROM recall WHERE district IN (OLD.district, NEW.district);
END;
CREATE TRIGGER record_removed_forgets AFTER DELETE ON record BEGIN
    DELETE FROM known_row WHERE district = OLD.district;
    DELETE FROM recall WHERE district = OLD.district;
    DELETE FROM recall_part WHERE district = OLD.district AND part = 'records';
END;
