-- Versions of records are read by their run; tables as in sqlite/0027_by_run.sql.

ALTER TABLE record_version DROP CONSTRAINT record_version_pkey;
ALTER TABLE record_version ADD PRIMARY KEY (district, run, kind, id);
DROP INDEX record_version_run;

CREATE INDEX record_teacher ON record (district, (CAST(id AS JSON) ->> 1))
    WHERE kind = 'enrollments' AND right(id, 10) = '"teacher"]';
CREATE INDEX audit_seat ON audit (district, seq) WHERE entity = 'seat';
