-- What the model has learned by heart: one row a run of `learn`, and what went into it.

-- `snapshot_event` is the last memory event that the run saw. `model` is the name of what the run
-- put on the shelf, empty before; `replaced` is what `use` had chosen until then, empty for none.
-- `report` is JSON.
CREATE TABLE learn_runs (
    id             TEXT PRIMARY KEY,
    state          TEXT NOT NULL CHECK (state IN
                   ('running', 'paused', 'failed', 'refused', 'promoted', 'rolled_back', 'removed')),
    stage          TEXT NOT NULL DEFAULT '',
    base_model     TEXT NOT NULL,
    base_sha256    TEXT NOT NULL DEFAULT '',
    snapshot_event INTEGER NOT NULL DEFAULT 0,
    apply          TEXT NOT NULL DEFAULT 'merge' CHECK (apply IN ('merge', 'adapter')),
    model          TEXT NOT NULL DEFAULT '',
    replaced       TEXT NOT NULL DEFAULT '',
    started_ms     INTEGER NOT NULL,
    started_offset INTEGER NOT NULL,
    ended_ms       INTEGER,
    ended_offset   INTEGER,
    reason         TEXT NOT NULL DEFAULT '',
    report         TEXT NOT NULL DEFAULT '{}'
) STRICT;

-- The manifest: which memories a run trained on, each at the version that it had.
CREATE TABLE learn_manifest (
    run_id    TEXT NOT NULL REFERENCES learn_runs (id) ON DELETE CASCADE,
    memory_id TEXT NOT NULL,
    version   INTEGER NOT NULL,
    PRIMARY KEY (run_id, memory_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX learn_manifest_by_memory ON learn_manifest (memory_id);

-- Models that learned: `base` is the name of what they were made of, `adapter` a LoRA beside the
-- base's own file (then `path` is the base's), `run_id` what taught them, `learned_*` when the
-- memory was read.
CREATE TABLE models_with_learned (
    name           TEXT PRIMARY KEY COLLATE NOCASE,
    path           TEXT NOT NULL,
    source         TEXT NOT NULL CHECK (source IN ('hub', 'import', 'learn')),
    origin         TEXT NOT NULL DEFAULT '',
    owns_file      INTEGER NOT NULL DEFAULT 1,
    size_bytes     INTEGER NOT NULL,
    sha256         TEXT,
    header         TEXT NOT NULL,
    added_ms       INTEGER NOT NULL,
    added_offset   INTEGER NOT NULL,
    base           TEXT NOT NULL DEFAULT '',
    adapter        TEXT NOT NULL DEFAULT '',
    run_id         TEXT NOT NULL DEFAULT '',
    learned_ms     INTEGER,
    learned_offset INTEGER
) STRICT;

INSERT INTO models_with_learned (name, path, source, origin, owns_file, size_bytes, sha256, header,
                                 added_ms, added_offset)
SELECT name, path, source, origin, owns_file, size_bytes, sha256, header, added_ms, added_offset
FROM models;

DROP TABLE models;
ALTER TABLE models_with_learned RENAME TO models;
