-- Drafts and filed inspections; what they have to report, until the spool has it; and that threats are gone.

CREATE TABLE inspection (
    number INTEGER PRIMARY KEY,
    inspection_id TEXT NOT NULL UNIQUE,
    person TEXT NOT NULL,
    stop_id TEXT,
    place TEXT, -- the service delivery point or the meter
    changed_at INTEGER NOT NULL, -- seconds since 1970, of the draft
    filed_at INTEGER, -- NULL: a draft
    threat INTEGER NOT NULL,
    body BLOB NOT NULL -- JSON
) STRICT;

CREATE UNIQUE INDEX one_draft_of_a_stop ON inspection (person, stop_id) WHERE filed_at IS NULL AND stop_id IS NOT NULL;
CREATE UNIQUE INDEX one_draft_of_a_place ON inspection (person, place) WHERE filed_at IS NULL AND stop_id IS NULL;
CREATE INDEX filed_of_stop ON inspection (stop_id) WHERE filed_at IS NOT NULL;
CREATE INDEX filed_of_place ON inspection (place) WHERE filed_at IS NOT NULL;

CREATE TRIGGER filed_is_final BEFORE UPDATE ON inspection WHEN OLD.filed_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a filed inspection is never changed');
END;

CREATE TABLE report (
    number INTEGER PRIMARY KEY,
    anomaly_id TEXT NOT NULL UNIQUE,
    inspection_id TEXT NOT NULL REFERENCES inspection (inspection_id) ON DELETE CASCADE,
    finding TEXT NOT NULL,
    body BLOB NOT NULL, -- JSON
    stored INTEGER NOT NULL DEFAULT 0 -- 1: the spool has it
) STRICT;

CREATE INDEX report_of_inspection ON report (inspection_id);
CREATE INDEX report_owed ON report (number) WHERE stored = 0;

CREATE TABLE made_safe (
    inspection_id TEXT PRIMARY KEY REFERENCES inspection (inspection_id) ON DELETE CASCADE,
    body BLOB NOT NULL -- JSON
) STRICT;
