"""The same night as someone would write it: read every page, stage it, anti-join, write what changed and a line for each.

baselines.py python|duckdb FOLDER DATABASE       FOLDER has pages as COLLECTION-OFFSET.json
"""
import glob
import json
import sqlite3
import sys

KINDS = ["orgs", "academicSessions", "courses", "classes", "users", "enrollments"]


def with_python(folder, database):
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS record (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id))")
    db.execute("CREATE TABLE IF NOT EXISTS change (kind TEXT, id TEXT, verb TEXT)")
    db.execute("CREATE TEMP TABLE stage (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id))")
    for kind in KINDS:
        for path in glob.glob(f"{folder}/{kind}-*.json"):
            with open(path) as file:
                rows = json.load(file)[kind]
            db.executemany(
                "INSERT OR REPLACE INTO stage VALUES (?, ?, ?)",
                ((kind, row["sourcedId"], json.dumps(row, sort_keys=True)) for row in rows),
            )
    db.execute(
        """INSERT INTO change SELECT s.kind, s.id, CASE WHEN r.id IS NULL THEN 'added' ELSE 'changed' END
           FROM stage s LEFT JOIN record r USING (kind, id) WHERE r.id IS NULL OR r.body <> s.body"""
    )
    db.execute(
        """INSERT INTO change SELECT r.kind, r.id, 'removed' FROM record r
           WHERE NOT EXISTS (SELECT 1 FROM stage s WHERE s.kind = r.kind AND s.id = r.id)"""
    )
    db.execute(
        """INSERT OR REPLACE INTO record SELECT s.* FROM stage s LEFT JOIN record r USING (kind, id)
           WHERE r.id IS NULL OR r.body <> s.body"""
    )
    db.execute("DELETE FROM record WHERE NOT EXISTS (SELECT 1 FROM stage s WHERE s.kind = record.kind AND s.id = record.id)")
    db.commit()


def with_duckdb(folder, database):
    import duckdb

    db = duckdb.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS record (kind TEXT, id TEXT, body TEXT)")
    db.execute("CREATE TABLE IF NOT EXISTS change (kind TEXT, id TEXT, verb TEXT)")
    db.execute("CREATE TEMP TABLE stage (kind TEXT, id TEXT, body TEXT)")
    for kind in KINDS:
        db.execute(
            f"""INSERT INTO stage SELECT '{kind}', row->>'sourcedId', row::TEXT
                FROM (SELECT unnest("{kind}") AS row
                      FROM read_json('{folder}/{kind}-*.json', columns = {{'{kind}': 'JSON[]'}}, maximum_object_size = 100000000))"""
        )
    db.execute(
        """INSERT INTO change SELECT s.kind, s.id, CASE WHEN r.id IS NULL THEN 'added' ELSE 'changed' END
           FROM stage s LEFT JOIN record r USING (kind, id) WHERE r.id IS NULL OR r.body <> s.body"""
    )
    db.execute("INSERT INTO change SELECT r.kind, r.id, 'removed' FROM record r ANTI JOIN stage s USING (kind, id)")
    db.execute(
        """CREATE TEMP TABLE fresh AS SELECT s.* FROM stage s LEFT JOIN record r USING (kind, id)
           WHERE r.id IS NULL OR r.body <> s.body"""
    )
    db.execute("DELETE FROM record USING fresh f WHERE record.kind = f.kind AND record.id = f.id")
    db.execute("DELETE FROM record WHERE (kind, id) NOT IN (SELECT (kind, id) FROM stage)")
    db.execute("INSERT INTO record SELECT * FROM fresh")
    db.close()


if __name__ == "__main__":
    {"python": with_python, "duckdb": with_duckdb}[sys.argv[1]](sys.argv[2], sys.argv[3])
