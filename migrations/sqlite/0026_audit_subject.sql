-- Whom an entry is about, so that the history of one user is found without walking the district's: the id of a user, the first
-- of the three in the id of an enrollment, and what follows the product in that of a seat, a place in line or an override.

CREATE INDEX audit_subject ON audit (
    district,
    CASE
        WHEN entity = 'user' THEN id
        WHEN entity = 'enrollment' THEN substr(id, 3, instr(id, '","') - 3)
        WHEN entity NOT IN ('school', 'session', 'course', 'class') AND instr(id, '/') > 0 THEN substr(id, instr(id, '/') + 1)
    END
);
