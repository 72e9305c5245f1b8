-- What people are told without asking, and the messages that tell it. Columns and tables as in sqlite/0020_notice.sql.

-- One row for each thing to tell, written with its cause. The key stays when it is told: nothing is told twice.
CREATE TABLE notice (
    district TEXT COLLATE "C" NOT NULL REFERENCES district (id),
    key TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    waiting BOOLEAN NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (district, key)
);
CREATE INDEX notice_waiting ON notice (at) WHERE waiting;

-- One row for each message to one recipient of the configuration; its body never changes. A message may tell of many districts.
-- `due_at`, `leased_until` and `sent_at` are the real clock's, `at` is that of decisions.
CREATE TABLE message (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    recipient TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('waiting', 'sent', 'given_up')),
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    sent_at BIGINT,
    error TEXT COLLATE "C",
    body TEXT COLLATE "C" NOT NULL
);
CREATE INDEX message_waiting ON message (due_at) WHERE status = 'waiting';
