BEGIN;
--
-- Custom state/database change combination
--
-- Snapshots in statements. PostgreSQL inlines these functions (each is one expression without a
-- subquery), so that a condition on an indexed xid stays an index scan.

-- The transactions below its xmax that a snapshot does not see, as an array.
CREATE FUNCTION kck_publish_running_v1(pg_snapshot) RETURNS xid8[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN string_to_array(split_part($1::text, ':', 3), ',')::xid8[];

-- How many transactions had ended: orders the snapshots of one cluster.
CREATE FUNCTION kck_publish_age_v1(pg_snapshot) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN pg_snapshot_xmax($1)::text::bigint - cardinality(kck_publish_running_v1($1));

-- NOT pg_visible_in_snapshot, in a form that an index on the xid serves.
CREATE FUNCTION kck_publish_unseen_v1(xid8, pg_snapshot) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN $1 >= pg_snapshot_xmax($2) OR $1 = ANY (kck_publish_running_v1($2));

-- Append-only. Read by the xid of the writing transaction, a page at a time where it wrote much.
CREATE TABLE kck_publish_change (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    source text NOT NULL,
    op text NOT NULL,
    columns text[],
    old text[],
    new text[],
    origin text,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX kck_publish_change_xid ON kck_publish_change (xid, seq);

CREATE SEQUENCE kck_publish_version AS bigint;
CREATE TABLE kck_publish_entry (
    digest uuid NOT NULL,
    fingerprint text NOT NULL COLLATE "C",
    key text NOT NULL,
    product text NOT NULL COLLATE "C",
    bucket integer NOT NULL,
    body bytea,
    shape bytea,
    stamp pg_snapshot NOT NULL,
    by text NOT NULL,
    version bigint NOT NULL DEFAULT nextval('kck_publish_version'),
    primed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    soft_expire timestamptz,
    hard_expire timestamptz,
    behind boolean NOT NULL DEFAULT false,
    reason text NOT NULL DEFAULT '',
    seconds real NOT NULL DEFAULT 0,
    -- The products that it was computed from without declaring them.
    over text,
    PRIMARY KEY (digest, fingerprint)
) WITH (fillfactor = 80);
CREATE INDEX kck_publish_entry_product ON kck_publish_entry (product);
CREATE INDEX kck_publish_entry_lazy ON kck_publish_entry (bucket) WHERE by = 'reader';
CREATE INDEX kck_publish_entry_absent ON kck_publish_entry (hard_expire) WHERE reason = 'absent';

-- What a value was computed from, key by key, beside what its product declares.
CREATE TABLE kck_publish_edge (
    digest uuid NOT NULL,
    fingerprint text NOT NULL COLLATE "C",
    key text NOT NULL,
    read uuid NOT NULL,
    read_key text NOT NULL,
    read_product text NOT NULL COLLATE "C",
    PRIMARY KEY (digest, fingerprint, read),
    FOREIGN KEY (digest, fingerprint) REFERENCES kck_publish_entry ON DELETE CASCADE
);
CREATE INDEX kck_publish_edge_read ON kck_publish_edge (read);
CREATE INDEX kck_publish_edge_product ON kck_publish_edge (read_product);

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

-- Products with refresh_every. Whoever moves due_at on asks for the refresh, in one transaction.
CREATE TABLE kck_publish_schedule (
    product text PRIMARY KEY,
    every text NOT NULL,
    due_at timestamptz NOT NULL,
    last_at timestamptz
) WITH (fillfactor = 50);
-- What a remote source said of itself (an ETag, a time) when this value, told by its hash, was
-- read.
CREATE TABLE kck_publish_fetch (
    digest uuid PRIMARY KEY,
    key text NOT NULL,
    product text NOT NULL,
    value bytea NOT NULL,
    state jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Wakes a listener that sleeps. Writers above READ COMMITTED may see an old flag, so they always
-- ring, unless nobody sleeps any more (RING = False; its listeners leave a row of kind 'quiet'):
-- a transaction that has rung cannot be prepared. The channel has the number of the table in its name: each schema has its own.
CREATE FUNCTION kck_publish_ring_v1() RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    IF (current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted')
        AND NOT EXISTS (SELECT FROM kck_publish_listener WHERE kind = 'quiet'))
       OR EXISTS (SELECT FROM kck_publish_listener WHERE asleep) THEN
        PERFORM pg_notify('kck_publish_' || 'kck_publish_listener'::regclass::oid, '');
    END IF;
END
$body$;

-- Called by every capture trigger that has logged something. A session setting remembers, for the
-- session's own reads, the last transaction that wrote the source: a rollback undoes it, to a
-- savepoint too.
CREATE FUNCTION kck_publish_announce_v1(wrote text) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM set_config(wrote, pg_current_xact_id()::text, false);
    PERFORM kck_publish_ring_v1();
END
$body$;

-- What near stores follow: the keys whose entries were written or removed; NULL is all of them.
-- Filled only while there is a near store (above READ COMMITTED its row may be too new to be seen,
-- so: always). A crash of the server takes back what was written last, and gives its transactions'
-- numbers a second time: it empties the table, and a near store that misses its own row in it
-- begins anew.
CREATE UNLOGGED TABLE kck_publish_copy (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    key text,
    consumer bigint
);
CREATE INDEX kck_publish_copy_xid ON kck_publish_copy (xid);
CREATE FUNCTION kck_publish_copy_v1() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
       AND NOT EXISTS (SELECT FROM kck_publish_consumer
                        WHERE kind IN ('near', 'stored') AND state <> 'forgotten') THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO kck_publish_copy (key) VALUES (NULL);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO kck_publish_copy (key) SELECT DISTINCT key FROM kck_gone;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO kck_publish_copy (key) SELECT DISTINCT key FROM kck_kept;
    ELSE  -- what a reader adds was not there before, so that no near store holds it
        INSERT INTO kck_publish_copy (key) SELECT key FROM kck_kept
         WHERE by <> 'reader'
            OR current_setting('transaction_isolation') NOT IN
               ('read committed', 'read uncommitted')
            OR EXISTS (SELECT FROM kck_publish_consumer
                        WHERE kind = 'stored' AND state <> 'forgotten');
    END IF;
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.stored');
    END IF;
    RETURN NULL;
END
$body$;
CREATE TRIGGER kck_publish_copy_insert AFTER INSERT ON kck_publish_entry
    REFERENCING NEW TABLE AS kck_kept FOR EACH STATEMENT EXECUTE FUNCTION kck_publish_copy_v1();
CREATE TRIGGER kck_publish_copy_update AFTER UPDATE ON kck_publish_entry
    REFERENCING NEW TABLE AS kck_kept FOR EACH STATEMENT EXECUTE FUNCTION kck_publish_copy_v1();
CREATE TRIGGER kck_publish_copy_delete AFTER DELETE ON kck_publish_entry
    REFERENCING OLD TABLE AS kck_gone FOR EACH STATEMENT EXECUTE FUNCTION kck_publish_copy_v1();
CREATE TRIGGER kck_publish_copy_truncate AFTER TRUNCATE ON kck_publish_entry
    FOR EACH STATEMENT EXECUTE FUNCTION kck_publish_copy_v1();

-- What the catalog says of the tables of each source, as it was when everything of the source had
-- been captured or announced. Compared by the listener's round and by whoever installs triggers.
CREATE TABLE kck_publish_layout (
    source text PRIMARY KEY,
    layout jsonb NOT NULL
) WITH (fillfactor = 50);

-- Says that anything of a source may have changed without a trigger's seeing it. For the session's
-- own reads, too: the setting's name is that of capture/source.py.
CREATE FUNCTION kck_publish_changed_v1(source text) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO kck_publish_change (source, op) VALUES ($1, 'truncate');
    PERFORM kck_publish_announce_v1(
        'kck_publish.w_' || left(encode(sha256(convert_to($1, 'UTF8')), 'hex'), 16));
END
$body$;

COMMIT;
