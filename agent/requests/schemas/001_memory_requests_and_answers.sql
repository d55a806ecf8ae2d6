-- Times are seconds since 1970 UTC, but `due` and `deadline`: microseconds.

-- From when on messages are remembered here. What was issued before could be a repeated one, and is not acted on.
CREATE TABLE memory (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    not_before INTEGER NOT NULL
) STRICT;

-- One row a message, in the order in which they came. `owner`: the one that its transaction began with.
-- received: to be carried out; open: the schedule has it; settled: over. `body` is null where it was not understood.
CREATE TABLE request (
    number INTEGER PRIMARY KEY,
    jti TEXT NOT NULL UNIQUE,
    kid TEXT NOT NULL,
    payload TEXT NOT NULL,
    expires INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    transaction_id TEXT,
    content TEXT,
    body BLOB,
    owner INTEGER NOT NULL CHECK (owner IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('received', 'open', 'settled')),
    meter TEXT,
    deadline INTEGER,
    due INTEGER
) STRICT;
CREATE UNIQUE INDEX request_transaction ON request (transaction_id) WHERE owner = 1;
CREATE INDEX request_to_do ON request (state, number) WHERE state <> 'settled';
CREATE INDEX request_expires ON request (expires);

-- What is to be answered, composed once. `sent`: the spool has it.
CREATE TABLE answer (
    number INTEGER PRIMARY KEY,
    response_id TEXT NOT NULL UNIQUE,
    jti TEXT NOT NULL REFERENCES request (jti) ON DELETE CASCADE,
    outcome TEXT NOT NULL,
    body BLOB NOT NULL,
    sent INTEGER NOT NULL CHECK (sent IN (0, 1))
) STRICT;
CREATE INDEX answer_of ON answer (jti);
CREATE INDEX answer_unsent ON answer (number) WHERE sent = 0;
