CREATE TABLE kck_publish_shard (
    shard integer PRIMARY KEY,
    shards integer NOT NULL,
    claimed pg_snapshot NOT NULL,
    done pg_snapshot NOT NULL,
    floor pg_snapshot NOT NULL DEFAULT '1:1:',
    epoch bigint NOT NULL DEFAULT 0,
    cluster text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- All that was committed before this moment is handled: what the lag is told by.
    caught_up_at timestamptz,
    -- Keys whose failure could not be recorded: tried again until it can.
    owed text[] NOT NULL DEFAULT '{}',
    forgotten boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);
-- Whoever else follows the log: what none of them has seen is not trimmed.
CREATE TABLE kck_publish_consumer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL,
    done pg_snapshot NOT NULL,
    -- What is read in pages: the snapshot up to which, and the last row that is handled.
    until pg_snapshot,
    seq bigint NOT NULL DEFAULT 0,
    -- 'beginning': it has not yet built what it keeps. 'forgotten': the log is not kept for it.
    state text NOT NULL DEFAULT 'following',
    cluster text NOT NULL DEFAULT '',
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (name, kind)
) WITH (fillfactor = 50);
-- What is too much for one batch: a source's changes between two snapshots, or the stored keys of
-- a product, with how far they have been handled.
CREATE TABLE kck_publish_backlog (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard integer NOT NULL,
    name text NOT NULL,
    stored boolean NOT NULL,
    since pg_snapshot NOT NULL,
    until pg_snapshot NOT NULL,
    at timestamptz NOT NULL,
    xid bigint NOT NULL DEFAULT 0,
    seq bigint NOT NULL DEFAULT 0,
    digest uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
) WITH (fillfactor = 50);
CREATE TABLE kck_publish_listener (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    asleep boolean NOT NULL DEFAULT false,
    backend integer NOT NULL,
    -- 'near': it follows what is written to the store, and owns no shards.
    kind text NOT NULL DEFAULT 'listener',
    shards integer[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- It computes something that is cut off then, and gives no sign of life before.
    busy_until timestamptz,
    seat_belt bigint NOT NULL DEFAULT 0,
    audited bigint NOT NULL DEFAULT 0,
    differing bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE kck_publish_failure (
    digest uuid NOT NULL,
    fingerprint text NOT NULL COLLATE "C",
    key text NOT NULL,
    product text NOT NULL,
    bucket integer NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz,
    -- The error: its type, its message, and the traceback.
    error text NOT NULL,
    message text NOT NULL,
    traceback text NOT NULL,
    PRIMARY KEY (digest, fingerprint)
);
