-- What the model has learned by heart: one row a run of `learn`, and what went into it.

-- `snapshot_event` is the last memory event that the run saw. `model` is the name of what the run
-- put on the shelf, empty before. `report` is JSON.
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
