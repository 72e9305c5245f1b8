-- What changed last in which commit, for `GET /v1/changes`. Columns and tables as in postgres/0016_change.sql.

-- One row a user, class, enrollment or seat (`product/user`) that was ever there: the district's revision that changed it last.
-- A row whose thing is gone tells others that it is gone; it holds an id and no more, and goes with the archived rows.
CREATE TABLE change_key (
    district TEXT NOT NULL REFERENCES district (id),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (district, kind, id)
) STRICT;
CREATE INDEX change_key_revision ON change_key (district, revision, kind, id);

-- Every commit that changed something, of all districts in one order. The number is taken last in the transaction, under the
-- lock of `change_head`, which is held until the commit is done: who sees a number sees all that come before it.
-- `mark` is the end of the district's audit chain: after a restore another history has other marks.
CREATE TABLE change_commit (
    number INTEGER NOT NULL PRIMARY KEY,
    district TEXT NOT NULL REFERENCES district (id),
    revision INTEGER NOT NULL,
    mark TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX change_commit_district ON change_commit (district, revision);

-- `commit`: the last number; `floor`: the last number whose removals are forgotten.
CREATE TABLE change_head (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;

-- What is there already came with one commit of each district.
INSERT INTO change_key (district, kind, id, revision)
    SELECT r.district, r.kind, r.id, d.revision FROM record AS r JOIN district AS d ON d.id = r.district
    WHERE r.active AND r.kind IN ('users', 'classes', 'enrollments');
INSERT INTO change_key (district, kind, id, revision)
    SELECT s.district, 'seats', s.product || '/' || s.user_id, d.revision
    FROM seat AS s JOIN district AS d ON d.id = s.district;
INSERT INTO change_commit (number, district, revision, mark, at)
    SELECT ROW_NUMBER() OVER (ORDER BY d.id), d.id, d.revision, d.audit_head, COALESCE(d.allocated_at, 0)
    FROM district AS d WHERE EXISTS (SELECT 1 FROM change_key AS k WHERE k.district = d.id);
INSERT INTO change_head (name, number) SELECT 'commit', COUNT(*) FROM change_commit;
INSERT INTO change_head (name, number) VALUES ('floor', 0);
