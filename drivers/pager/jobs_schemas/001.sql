-- Requests to meters through a paging carrier. Times are milliseconds since 1970, UTC.

CREATE TABLE jobs (
    message_id TEXT PRIMARY KEY,
    carrier TEXT NOT NULL,             -- URL of the gateway, without query
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,           -- PIN of the device
    format TEXT NOT NULL,              -- name of the message format
    request TEXT NOT NULL,             -- what the device is sent
    state TEXT NOT NULL,
    paged INTEGER NOT NULL DEFAULT 1,  -- 0: it is certain that nothing was accepted
    code INTEGER,                      -- of the failure
    reason TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    deliver_before INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    reply BLOB,
    binary_reply INTEGER NOT NULL DEFAULT 0,
    arrived_at INTEGER,                -- of the reply, here
    responded_at INTEGER,              -- of the reply, as the carrier says
    late INTEGER NOT NULL DEFAULT 0,   -- 1: it came after the request had failed or expired
    taken_at INTEGER,                  -- a visit has brought it home
    rejected TEXT NOT NULL DEFAULT ''  -- why it is no reading
);
CREATE INDEX jobs_by_meter ON jobs (carrier, sender, recipient, created_at);
CREATE INDEX jobs_by_state ON jobs (state, expires_at);

-- Messages that are on the disk and that the carrier has not been told so yet.
CREATE TABLE acknowledgements (
    carrier TEXT NOT NULL,
    poller TEXT NOT NULL,
    sequence_no TEXT NOT NULL,
    code INTEGER NOT NULL,
    PRIMARY KEY (carrier, poller, sequence_no)
);

-- How fast a carrier wants to be asked.
CREATE TABLE carriers (
    carrier TEXT NOT NULL,
    poller TEXT NOT NULL,
    polled_at INTEGER NOT NULL DEFAULT 0,  -- the last time that a poll succeeded
    next_poll_at INTEGER NOT NULL DEFAULT 0,
    slowed_ms INTEGER NOT NULL DEFAULT 0,  -- added by refusals and silence, halved by every success
    next_page_at INTEGER NOT NULL DEFAULT 0,
    page_backoff_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (carrier, poller)
);

-- Messages that belong to nothing that was asked.
CREATE TABLE quarantine (
    digest TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    carrier TEXT NOT NULL,
    originator TEXT NOT NULL,
    reference TEXT NOT NULL,
    content BLOB NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX quarantine_by_age ON quarantine (last_at);
