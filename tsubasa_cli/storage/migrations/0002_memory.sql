-- The memory: an append-only log of events, its projection, and what is left to do.

ALTER TABLE sessions ADD COLUMN memory INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN import_key TEXT;
ALTER TABLE turns ADD COLUMN import_key TEXT;

CREATE UNIQUE INDEX sessions_by_import ON sessions (import_key) WHERE import_key IS NOT NULL;

-- `image` is the observation as the event left it (JSON); the projection is the last image of each.
CREATE TABLE memory_events (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id  TEXT NOT NULL,
    op        TEXT NOT NULL,
    actor     TEXT NOT NULL CHECK (actor IN ('user', 'model')),
    memory_id TEXT NOT NULL,
    version   INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    at_offset INTEGER NOT NULL,
    reason    TEXT NOT NULL DEFAULT '',
    undoes    INTEGER REFERENCES memory_events (id),
    image     TEXT NOT NULL,
    UNIQUE (memory_id, version)
) STRICT;

CREATE INDEX memory_events_by_batch ON memory_events (batch_id);

-- Days are ISO dates. `tags` and `supersedes` are JSON arrays of strings.
CREATE TABLE observations (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    statement       TEXT NOT NULL,
    subject         TEXT NOT NULL,
    kind            TEXT NOT NULL,
    event_from      TEXT,
    event_to        TEXT,
    precision       TEXT,
    time_expr       TEXT NOT NULL,
    valid_from      TEXT,
    valid_to        TEXT,
    recorded_ms     INTEGER NOT NULL,
    recorded_offset INTEGER NOT NULL,
    origin          TEXT NOT NULL,
    status          TEXT NOT NULL,
    slot            TEXT NOT NULL,
    language        TEXT NOT NULL,
    pinned          INTEGER NOT NULL,
    tags            TEXT NOT NULL,
    supersedes      TEXT NOT NULL,
    version         INTEGER NOT NULL,
    batch_id        TEXT NOT NULL,
    model_hash      TEXT NOT NULL,
    prompt_hash     TEXT NOT NULL
) STRICT;

CREATE INDEX observations_by_status ON observations (status, recorded_ms DESC, seq DESC);
CREATE INDEX observations_by_slot ON observations (subject, slot) WHERE slot != '';

CREATE TABLE memory_evidence (
    memory_id TEXT NOT NULL REFERENCES observations (id) ON DELETE CASCADE,
    place     INTEGER NOT NULL,
    turn_id   INTEGER,
    quote     TEXT NOT NULL,
    PRIMARY KEY (memory_id, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX memory_evidence_by_turn ON memory_evidence (turn_id) WHERE turn_id IS NOT NULL;

-- Which of the user's turns are distilled. A turn without a row is still to do; the row is written
-- in the transaction that writes its observations, so a turn is distilled once or not at all.
CREATE TABLE memory_turns (
    turn_id  INTEGER PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
    state    TEXT NOT NULL CHECK (state IN ('done', 'skipped', 'failed')),
    batch_id TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    error    TEXT NOT NULL DEFAULT '',
    at_ms    INTEGER NOT NULL
) STRICT;

-- What the index has not heard yet. `ref` is an observation's id or a turn's.
CREATE TABLE memory_outbox (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('observation', 'turn')),
    ref  TEXT NOT NULL
) STRICT;

CREATE TRIGGER memory_outbox_turn_insert AFTER INSERT ON turns WHEN new.text != '' BEGIN
    INSERT INTO memory_outbox (kind, ref) VALUES ('turn', new.id);
END;

CREATE TRIGGER memory_outbox_turn_update AFTER UPDATE OF text ON turns WHEN new.text != old.text
BEGIN
    INSERT INTO memory_outbox (kind, ref) VALUES ('turn', new.id);
END;

CREATE TRIGGER memory_outbox_turn_delete AFTER DELETE ON turns BEGIN
    INSERT INTO memory_outbox (kind, ref) VALUES ('turn', old.id);
END;

-- A session that is deleted, restored, or set to be remembered or not: its turns come and go.
CREATE TRIGGER memory_outbox_session_update AFTER UPDATE OF memory, deleted_ms ON sessions
WHEN new.memory != old.memory OR (new.deleted_ms IS NULL) != (old.deleted_ms IS NULL)
BEGIN
    INSERT INTO memory_outbox (kind, ref)
    SELECT 'turn', id FROM turns WHERE session_id = new.id AND text != '';
END;

-- The recalled block that rode with a question, byte for byte, so that history renders alike.
CREATE TABLE turn_context (
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id) ON DELETE CASCADE,
    block   TEXT NOT NULL
) STRICT;

-- What that block was made of: an observation at a version, or words of an earlier turn.
CREATE TABLE recalled (
    turn_id        INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    place          INTEGER NOT NULL,
    memory_id      TEXT,
    version        INTEGER,
    source_turn_id INTEGER,
    score          REAL NOT NULL,
    channels       TEXT NOT NULL,
    PRIMARY KEY (turn_id, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX recalled_by_memory ON recalled (memory_id) WHERE memory_id IS NOT NULL;

-- Keyed digests of what was erased: extraction does not bring it back.
CREATE TABLE tombstones (
    digest TEXT PRIMARY KEY,
    at_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Changes that were left out of a batch: the memory is pinned, written by hand, or was erased.
CREATE TABLE memory_refusals (
    batch_id  TEXT NOT NULL,
    memory_id TEXT NOT NULL,
    op        TEXT NOT NULL,
    reason    TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    at_offset INTEGER NOT NULL
) STRICT;

CREATE INDEX memory_refusals_by_batch ON memory_refusals (batch_id);
