-- Times are microseconds since 1970 UTC.

-- Up to when the due times of a meter's cycle are settled.
CREATE TABLE meter (
    meter TEXT PRIMARY KEY,
    settled INTEGER NOT NULL
) WITHOUT ROWID;

-- Reads that were tried or settled. `came`: a reading is on its way into the spool, where `reading_id` is looked for
-- after a crash. `missed`: so many due times from `first_due` to `due` passed unseen.
CREATE TABLE read (
    meter TEXT NOT NULL,
    due INTEGER NOT NULL,
    request_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('visiting', 'came', 'waiting', 'done', 'given_up', 'missed')),
    until INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    at INTEGER NOT NULL,
    next_try INTEGER,
    why TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT '',
    reading_id TEXT,
    whole INTEGER NOT NULL DEFAULT 0,
    first_due INTEGER,
    missed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (meter, due)
) WITHOUT ROWID;
CREATE INDEX read_state ON read (state, at);

-- Reads out of the cycle that were asked for.
CREATE TABLE request (
    request_id TEXT PRIMARY KEY,
    meter TEXT NOT NULL,
    purpose TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    requested_by TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    work_order BLOB NOT NULL,
    settled_at INTEGER,
    UNIQUE (meter, requested_at)
) WITHOUT ROWID;
CREATE INDEX request_open ON request (settled_at);

-- Calls of the last day.
CREATE TABLE call (
    number TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (number, at)
) WITHOUT ROWID;
