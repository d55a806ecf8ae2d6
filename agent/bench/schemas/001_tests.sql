-- The tests of each meter, as found and as left. What is in it is never changed, but for its place among the reports.

CREATE TABLE test (
    number INTEGER PRIMARY KEY,
    report_id TEXT NOT NULL UNIQUE,
    meter_id TEXT NOT NULL,
    finished_at INTEGER NOT NULL, -- seconds since 1970
    stage TEXT NOT NULL,
    outcome TEXT NOT NULL,
    stored INTEGER NOT NULL DEFAULT 0, -- 1: the spool has the report
    body BLOB NOT NULL -- JSON, mrsp.meter-test/1
) STRICT;

CREATE INDEX test_of_meter ON test (meter_id, number);
CREATE INDEX test_owed ON test (number) WHERE stored = 0;
