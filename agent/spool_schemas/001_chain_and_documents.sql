-- The chain of this agent: one row. head_* is the last link made; links up to pruned_seq may have been forgotten.
CREATE TABLE chain (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    agent_id    TEXT    NOT NULL,
    head_seq    INTEGER NOT NULL,
    head_digest TEXT    NOT NULL,
    pruned_seq  INTEGER NOT NULL
) STRICT;

-- The last `sequence` given to each kind of document: gap-free, so that the MDSP sees what is missing.
CREATE TABLE counter (
    kind          TEXT    PRIMARY KEY,
    last_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a link. It outlives the acknowledgement for a while: the proof of what was sent, and the guard against
-- a document that is added twice.
CREATE TABLE document (
    seq          INTEGER PRIMARY KEY,
    document_id  TEXT    NOT NULL UNIQUE,
    kind         TEXT    NOT NULL,
    sequence     INTEGER NOT NULL,
    priority     INTEGER NOT NULL,
    added_at     TEXT    NOT NULL,
    octets       INTEGER NOT NULL,
    encrypted    INTEGER NOT NULL CHECK (encrypted IN (0, 1)),
    prev         TEXT    NOT NULL,
    digest       TEXT    NOT NULL,
    receipt      TEXT    NOT NULL,
    acked_at     TEXT,
    UNIQUE (kind, sequence)
) STRICT;

CREATE INDEX waiting ON document (priority, seq) WHERE acked_at IS NULL;

-- What is sent, octet for octet, until the MDSP has it. Apart, so that lists do not drag it through memory.
CREATE TABLE sealed (
    seq  INTEGER PRIMARY KEY REFERENCES document (seq),
    body BLOB    NOT NULL
) STRICT;
