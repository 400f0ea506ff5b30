-- Sessions, their tree of turns, the journal of replies under way, and the models known here.
-- Instants are milliseconds since 1970 UTC beside the UTC offset, in minutes, of who lived them.

CREATE TABLE sessions (
    id             TEXT PRIMARY KEY,
    title          TEXT NOT NULL DEFAULT '',
    title_is_users INTEGER NOT NULL DEFAULT 0,
    created_ms     INTEGER NOT NULL,
    created_offset INTEGER NOT NULL,
    updated_ms     INTEGER NOT NULL,
    updated_offset INTEGER NOT NULL,
    head_id        INTEGER REFERENCES turns (id) DEFERRABLE INITIALLY DEFERRED,
    persona        TEXT NOT NULL DEFAULT '',
    system_prompt  TEXT,
    model          TEXT,
    thinking       INTEGER,
    draft          TEXT NOT NULL DEFAULT '',
    deleted_ms     INTEGER,
    deleted_offset INTEGER
) STRICT;

CREATE INDEX sessions_by_update ON sessions (updated_ms DESC);

CREATE TABLE turns (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id     TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    parent_id      INTEGER REFERENCES turns (id) ON DELETE CASCADE,
    role           TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    text           TEXT NOT NULL,
    thinking       TEXT NOT NULL DEFAULT '',
    status         TEXT NOT NULL CHECK (status IN
                   ('pending', 'streaming', 'complete', 'stopped', 'interrupted', 'truncated')),
    created_ms     INTEGER NOT NULL,
    created_offset INTEGER NOT NULL,
    model          TEXT NOT NULL DEFAULT '',
    usage          TEXT,
    writer         TEXT
) STRICT;

CREATE INDEX turns_by_session ON turns (session_id);
CREATE INDEX turns_by_parent ON turns (parent_id);
CREATE INDEX turns_open ON turns (status) WHERE status IN ('pending', 'streaming');

-- What a streaming reply has said so far, in pieces; folded into the turn when it ends.
CREATE TABLE reply_journal (
    turn_id  INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    piece    INTEGER NOT NULL,
    text     TEXT NOT NULL,
    thinking TEXT NOT NULL,
    PRIMARY KEY (turn_id, piece)
) STRICT, WITHOUT ROWID;

CREATE TABLE summaries (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id     TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    upto_turn_id   INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    text           TEXT NOT NULL,
    model          TEXT NOT NULL DEFAULT '',
    created_ms     INTEGER NOT NULL,
    created_offset INTEGER NOT NULL
) STRICT;

CREATE INDEX summaries_by_session ON summaries (session_id);

-- Finds words in what was said. Kept in step by triggers, rebuilt by `rebuild` at any time.
CREATE VIRTUAL TABLE turns_fts USING fts5 (
    text, content = 'turns', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER turns_fts_insert AFTER INSERT ON turns BEGIN
    INSERT INTO turns_fts (rowid, text) VALUES (new.id, new.text);
END;

CREATE TRIGGER turns_fts_delete AFTER DELETE ON turns BEGIN
    INSERT INTO turns_fts (turns_fts, rowid, text) VALUES ('delete', old.id, old.text);
END;

CREATE TRIGGER turns_fts_update AFTER UPDATE OF text ON turns BEGIN
    INSERT INTO turns_fts (turns_fts, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO turns_fts (rowid, text) VALUES (new.id, new.text);
END;

-- GGUF files known here. `path` is absolute; `source` says how the file came.
CREATE TABLE models (
    name         TEXT PRIMARY KEY COLLATE NOCASE,
    path         TEXT NOT NULL,
    source       TEXT NOT NULL CHECK (source IN ('hub', 'import')),
    origin       TEXT NOT NULL DEFAULT '',
    owns_file    INTEGER NOT NULL DEFAULT 1,
    size_bytes   INTEGER NOT NULL,
    sha256       TEXT,
    header       TEXT NOT NULL,
    added_ms     INTEGER NOT NULL,
    added_offset INTEGER NOT NULL
) STRICT;

-- Small facts about this installation, such as the model in service.
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
