-- What is recalled of a district's roster; columns as in sqlite/0031_recall.sql.

CREATE TABLE recall (
    district TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES district (id),
    seed TEXT COLLATE "C" NOT NULL,
    stamp TEXT COLLATE "C" NOT NULL,
    base TEXT COLLATE "C" NOT NULL,
    nights BIGINT NOT NULL
);

CREATE TABLE recall_part (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    part TEXT COLLATE "C" NOT NULL,
    night BIGINT NOT NULL,
    base TEXT COLLATE "C" NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (district, part, night)
);

-- Marks are as good as chance and images are packed: nothing is gained by compressing them.
ALTER TABLE recall_part ALTER COLUMN value SET STORAGE EXTERNAL;

DELETE FROM known_row;

CREATE OR REPLACE FUNCTION forget_known_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM known_row WHERE district IN (SELECT DISTINCT district FROM written);
    DELETE FROM recall WHERE district IN (SELECT DISTINCT district FROM written);
    RETURN NULL;
END
$$;

CREATE FUNCTION forget_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM recall_part WHERE part = 'records' AND district IN (SELECT DISTINCT district FROM written);
    RETURN NULL;
END
$$;
CREATE TRIGGER record_removed_forgets_images AFTER DELETE ON record
    REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION forget_images();
