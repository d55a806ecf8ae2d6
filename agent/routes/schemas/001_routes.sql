-- Walking routes, and what became of each stop. Moments are microseconds since 1970, UTC.

CREATE TABLE route (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    route_id  TEXT    NOT NULL UNIQUE,
    name      TEXT    NOT NULL,
    day       TEXT    NOT NULL, -- 2026-03-31
    zone      TEXT    NOT NULL,
    deadline  INTEGER,
    digest    TEXT    NOT NULL, -- of the route as it was loaded
    codes     BLOB    NOT NULL, -- the code set, as it was then
    loaded_at INTEGER NOT NULL,
    loaded_by TEXT    NOT NULL
);

CREATE TABLE stop (
    stop_id      TEXT    PRIMARY KEY, -- random
    route        INTEGER NOT NULL REFERENCES route ON DELETE CASCADE,
    sequence     INTEGER NOT NULL,
    out_of_route INTEGER NOT NULL,
    meter        TEXT, -- identifications, without what two ways of writing one differ in
    nameplate    TEXT,
    ordered      BLOB    NOT NULL,
    standing     BLOB    NOT NULL, -- {} where nothing was done yet
    state        TEXT    NOT NULL, -- as in standing, to be counted
    settled_at   INTEGER,
    to_decide    INTEGER NOT NULL,
    UNIQUE (route, sequence)
);

CREATE TABLE act ( -- what was done, in order; never changed
    number  INTEGER PRIMARY KEY,
    stop_id TEXT    NOT NULL REFERENCES stop ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    by      TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    detail  BLOB    NOT NULL
);

CREATE INDEX act_of_stop ON act (stop_id, number);

CREATE TABLE draft ( -- what a person has typed and not sent
    stop_id TEXT    NOT NULL REFERENCES stop ON DELETE CASCADE,
    by      TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    content BLOB    NOT NULL,
    PRIMARY KEY (stop_id, by)
);
