#!/usr/bin/env python3
"""Keeps a copy of rosterd's users, classes, enrollments and seats in an SQLite table, in step through kills of either side.

    ROSTERD_TOKEN=… follow-changes.py http://127.0.0.1:8787 copy.db [--once] [--every SECONDS]

The token needs the scope `read`, and `people` for names. Python 3.8 or later, standard library only. Each page and its cursor
are written in one transaction: killed anywhere, it goes on from the last page that is whole. When rosterd says 410 (its store
was put back to an earlier state, or the cursor is too old) the full state is taken again; what is there stays readable
meanwhile, and what did not come again is removed at the end.
"""

import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    district TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, generation INTEGER NOT NULL,
    PRIMARY KEY (district, kind, id)
);
CREATE TABLE IF NOT EXISTS place (
    only INTEGER PRIMARY KEY CHECK (only = 1), cursor TEXT, generation INTEGER NOT NULL, complete INTEGER NOT NULL
);
INSERT OR IGNORE INTO place VALUES (1, NULL, 1, 0);
"""


def ask(url, token, cursor):
    query = {"limit": "500"}
    if cursor:
        query["after"] = cursor
    request = urllib.request.Request(f"{url}/v1/changes?{urllib.parse.urlencode(query)}")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def take(copy, page, generation, complete):
    """Writes one page. Items come in commit order, each as it is after its commit; `value` is null for what is gone."""
    with copy:
        for item in page["items"]:
            key = (item["district"], item["kind"], item["id"])
            if item["value"] is None:
                copy.execute("DELETE FROM item WHERE district = ? AND kind = ? AND id = ?", key)
            else:
                value = json.dumps(item["value"], sort_keys=True)
                copy.execute("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, ?)", (*key, value, generation))
        if not complete and not page["more"]:
            # The full state is here: what is of an earlier one and did not come again is gone.
            copy.execute("DELETE FROM item WHERE generation < ?", (generation,))
            complete = 1
        copy.execute("UPDATE place SET cursor = ?, complete = ?", (page["cursor"], complete))
    return complete


def follow(url, token, copy):
    """Takes pages until there are no more."""
    while True:
        cursor, generation, complete = copy.execute("SELECT cursor, generation, complete FROM place").fetchone()
        try:
            page = ask(url, token, cursor)
        except urllib.error.HTTPError as error:
            if error.code != 410:
                raise
            with copy:
                copy.execute("UPDATE place SET cursor = NULL, generation = generation + 1, complete = 0")
            continue
        take(copy, page, generation, complete)
        if not page["more"]:
            return


def main(arguments):
    once = "--once" in arguments
    every = float(arguments[arguments.index("--every") + 1]) if "--every" in arguments else 5.0
    url, path = arguments[0].rstrip("/"), arguments[1]
    copy = sqlite3.connect(path)
    copy.executescript(SCHEMA)
    while True:
        try:
            follow(url, os.environ["ROSTERD_TOKEN"], copy)
            if once:
                return 0
        except (urllib.error.URLError, OSError, json.JSONDecodeError) as error:
            reason = error.code if isinstance(error, urllib.error.HTTPError) else type(error).__name__
            print(f"rosterd cannot be asked ({reason}), trying again", file=sys.stderr)
        time.sleep(every)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
