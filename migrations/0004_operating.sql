BEGIN;
--
-- Custom state/database change combination
--
-- What the listeners have done, by product and minute; product '' is a listener's batches as such.
CREATE TABLE kck_publish_history (
    product text NOT NULL COLLATE "C",
    minute timestamptz NOT NULL,
    -- In keys.
    refreshed bigint NOT NULL DEFAULT 0,
    augmented bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    removed bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    -- Of the computes, in seconds; of the values that were written, in bytes.
    seconds double precision NOT NULL DEFAULT 0,
    seconds_max double precision NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    -- The lag of so many keys, from the change to the write, in seconds: what passed before the
    -- batch began, and what passed in it.
    lagged bigint NOT NULL DEFAULT 0,
    waiting double precision NOT NULL DEFAULT 0,
    waiting_max double precision NOT NULL DEFAULT 0,
    computing double precision NOT NULL DEFAULT 0,
    computing_max double precision NOT NULL DEFAULT 0,
    -- Only of product '': rows of the log that the first shard has read, and batches.
    changes bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (product, minute)
);
CREATE INDEX kck_publish_history_minute ON kck_publish_history (minute);
-- Products of which nothing is computed until they are resumed.
CREATE TABLE kck_publish_pause (
    product text PRIMARY KEY COLLATE "C",
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    by text NOT NULL DEFAULT ''
);
-- What is to be done then: prime a key, or all that is stored, or compare the domain.
CREATE TABLE kck_publish_postponed (
    product text NOT NULL COLLATE "C",
    op text NOT NULL,
    key text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (product, op, key)
);
-- The W3C traceparent of the request that has written. As a default, so that the triggers' functions
-- stay as they are.
ALTER TABLE kck_publish_change
    ADD COLUMN trace text DEFAULT nullif(current_setting('kck_publish.trace', true), '');
-- pg_restore empties the search path: the data of a dump is restored through this trigger, too.
ALTER FUNCTION kck_publish_copy_v1() SET search_path FROM CURRENT;

COMMIT;
