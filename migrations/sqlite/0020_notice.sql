-- What people are told without asking, and the messages that tell it. Columns and tables as in postgres/0020_notice.sql.

-- One row for each thing to tell, written with its cause. The key stays when it is told: nothing is told twice.
CREATE TABLE notice (
    district TEXT NOT NULL REFERENCES district (id),
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    waiting INTEGER NOT NULL CHECK (waiting IN (0, 1)),
    body TEXT NOT NULL,
    PRIMARY KEY (district, key)
) STRICT;
CREATE INDEX notice_waiting ON notice (at) WHERE waiting;

-- One row for each message to one recipient of the configuration; its body never changes. A message may tell of many districts.
-- `due_at`, `leased_until` and `sent_at` are the real clock's, `at` is that of decisions.
CREATE TABLE message (
    id TEXT NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL,
    at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'sent', 'given_up')),
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    leased_until INTEGER NOT NULL,
    sent_at INTEGER,
    error TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX message_waiting ON message (due_at) WHERE status = 'waiting';
