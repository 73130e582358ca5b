"""The change log, the store, the shards' cursors, the listeners and the failures.

Written as SQL because Django has no fields for ``xid8`` and ``pg_snapshot``; the models exist
in the state so that a test's flush empties the tables and ``migrate`` can undo them.
"""

from __future__ import annotations

from django.db import migrations, models

from kck_publish.migrations._operations import PostgresSQL
from kck_publish.tables import NativeField

CHANGE = """
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
"""

ENTRY = """
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
"""

FOLLOWING = """
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
    name text NOT NULL UNIQUE,
    kind text NOT NULL,
    done pg_snapshot NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
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
    error text NOT NULL,
    PRIMARY KEY (digest, fingerprint)
);
"""

TIME = """
-- Products with refresh_every. Whoever moves due_at on asks for the refresh, in one transaction.
CREATE TABLE kck_publish_schedule (
    product text PRIMARY KEY,
    every text NOT NULL,
    due_at timestamptz NOT NULL,
    last_at timestamptz
) WITH (fillfactor = 50);
-- What a remote source said of itself (an ETag, a time) when this value, told by its hash, was read.
CREATE TABLE kck_publish_fetch (
    digest uuid PRIMARY KEY,
    key text NOT NULL,
    product text NOT NULL,
    value bytea NOT NULL,
    state jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

# What near stores follow: the keys whose entries were written or removed; NULL is all of them. Only
# while there is one (above READ COMMITTED its row may be too new to be seen, so: always). A crash of
# the server takes back what was written last, and gives its transactions' numbers a second time: it
# empties the table, and a near store that misses its own row in it begins anew.
COPY = """
CREATE UNLOGGED TABLE kck_publish_copy (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    key text,
    consumer bigint
);
CREATE INDEX kck_publish_copy_xid ON kck_publish_copy (xid);
CREATE FUNCTION kck_publish_copy() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
       AND NOT EXISTS (SELECT FROM kck_publish_consumer WHERE kind = 'near') THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO kck_publish_copy (key) VALUES (NULL);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO kck_publish_copy (key) SELECT DISTINCT key FROM kck_gone;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO kck_publish_copy (key) SELECT DISTINCT key FROM kck_kept;
    ELSE  -- what a reader adds was not there before
        INSERT INTO kck_publish_copy (key) SELECT key FROM kck_kept WHERE by <> 'reader';
    END IF;
    IF FOUND THEN
        PERFORM kck_publish_announce('kck_publish.stored');
    END IF;
    RETURN NULL;
END
$body$;
CREATE TRIGGER kck_publish_copy_insert AFTER INSERT ON kck_publish_entry
    REFERENCING NEW TABLE AS kck_kept FOR EACH STATEMENT EXECUTE FUNCTION kck_publish_copy();
CREATE TRIGGER kck_publish_copy_update AFTER UPDATE ON kck_publish_entry
    REFERENCING NEW TABLE AS kck_kept FOR EACH STATEMENT EXECUTE FUNCTION kck_publish_copy();
CREATE TRIGGER kck_publish_copy_delete AFTER DELETE ON kck_publish_entry
    REFERENCING OLD TABLE AS kck_gone FOR EACH STATEMENT EXECUTE FUNCTION kck_publish_copy();
CREATE TRIGGER kck_publish_copy_truncate AFTER TRUNCATE ON kck_publish_entry
    FOR EACH STATEMENT EXECUTE FUNCTION kck_publish_copy();
"""

# The doorbell: wakes a listener that sleeps. Writers above READ COMMITTED may see an old flag, so
# they always ring.
RING = """
CREATE FUNCTION kck_publish_ring() RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted')
       OR EXISTS (SELECT FROM kck_publish_listener WHERE asleep) THEN
        PERFORM pg_notify('kck_publish', '');
    END IF;
END
$body$;
"""

# Called by every capture trigger that has logged something. A session setting remembers, for the
# session's own reads, the last transaction that wrote the source: it is undone by a rollback, to
# a savepoint too.
ANNOUNCE = """
CREATE FUNCTION kck_publish_announce(wrote text) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM set_config(wrote, pg_current_xact_id()::text, false);
    PERFORM kck_publish_ring();
END
$body$;
"""

UNDO = """
DROP FUNCTION kck_publish_announce(text);
DROP FUNCTION kck_publish_ring();
DROP TABLE kck_publish_copy, kck_publish_fetch, kck_publish_schedule, kck_publish_edge,
    kck_publish_failure, kck_publish_listener, kck_publish_backlog, kck_publish_consumer,
    kck_publish_shard, kck_publish_entry, kck_publish_change;
DROP SEQUENCE kck_publish_version;
DROP FUNCTION kck_publish_copy();
"""


STATE = [
    migrations.CreateModel(
        name="Backlog",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("shard", models.IntegerField()),
            ("name", models.TextField()),
            ("stored", models.BooleanField()),
            ("since", NativeField("pg_snapshot")),
            ("until", NativeField("pg_snapshot")),
            ("at", models.DateTimeField()),
            ("xid", models.BigIntegerField(default=0)),
            ("seq", models.BigIntegerField(default=0)),
            ("digest", models.UUIDField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Consumer",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("name", models.TextField(unique=True)),
            ("kind", models.TextField()),
            ("done", NativeField("pg_snapshot")),
            ("registered_at", models.DateTimeField()),
            ("seen_at", models.DateTimeField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Change",
        fields=[
            ("seq", models.BigAutoField(primary_key=True, serialize=False)),
            ("xid", NativeField("xid8")),
            ("source", models.TextField()),
            ("op", models.TextField()),
            (
                "columns",
                NativeField("text[]", null=True),
            ),
            (
                "old",
                NativeField("text[]", null=True),
            ),
            (
                "new",
                NativeField("text[]", null=True),
            ),
            ("origin", models.TextField(null=True)),
            ("at", models.DateTimeField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Entry",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "digest",
                    "fingerprint",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("digest", models.UUIDField()),
            ("fingerprint", models.TextField(db_collation="C")),
            ("key", models.TextField()),
            ("product", models.TextField(db_collation="C")),
            ("bucket", models.IntegerField()),
            ("body", models.BinaryField(null=True)),
            ("shape", models.BinaryField(null=True)),
            ("stamp", NativeField("pg_snapshot")),
            ("by", models.TextField()),
            ("version", models.BigIntegerField()),
            ("primed_at", models.DateTimeField()),
            ("soft_expire", models.DateTimeField(null=True)),
            ("hard_expire", models.DateTimeField(null=True)),
            ("behind", models.BooleanField(default=False)),
            ("reason", models.TextField(default="")),
            ("seconds", models.FloatField(default=0)),
            ("over", models.TextField(null=True)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Edge",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "digest",
                    "fingerprint",
                    "read",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("digest", models.UUIDField()),
            ("fingerprint", models.TextField(db_collation="C")),
            ("key", models.TextField()),
            ("read", models.UUIDField()),
            ("read_key", models.TextField()),
            ("read_product", models.TextField(db_collation="C")),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Failure",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "digest",
                    "fingerprint",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("digest", models.UUIDField()),
            ("fingerprint", models.TextField(db_collation="C")),
            ("key", models.TextField()),
            ("product", models.TextField()),
            ("bucket", models.IntegerField()),
            ("attempts", models.IntegerField(default=1)),
            ("first_at", models.DateTimeField()),
            ("due_at", models.DateTimeField(null=True)),
            ("error", models.TextField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Listener",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("name", models.TextField()),
            ("asleep", models.BooleanField(default=False)),
            ("backend", models.IntegerField()),
            ("kind", models.TextField(default="listener")),
            (
                "shards",
                NativeField("integer[]", default=list),
            ),
            ("started_at", models.DateTimeField()),
            ("seen_at", models.DateTimeField()),
            ("busy_until", models.DateTimeField(null=True)),
            ("seat_belt", models.BigIntegerField(default=0)),
            ("audited", models.BigIntegerField(default=0)),
            ("differing", models.BigIntegerField(default=0)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Schedule",
        fields=[
            ("product", models.TextField(primary_key=True, serialize=False)),
            ("every", models.TextField()),
            ("due_at", models.DateTimeField()),
            ("last_at", models.DateTimeField(null=True)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Fetch",
        fields=[
            ("digest", models.UUIDField(primary_key=True, serialize=False)),
            ("key", models.TextField()),
            ("product", models.TextField()),
            ("value", models.BinaryField()),
            ("state", NativeField("jsonb")),
            ("at", models.DateTimeField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Copy",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("xid", NativeField("xid8")),
            ("key", models.TextField(null=True)),
            ("consumer", models.BigIntegerField(null=True)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Shard",
        fields=[
            ("shard", models.IntegerField(primary_key=True, serialize=False)),
            ("shards", models.IntegerField()),
            ("claimed", NativeField("pg_snapshot")),
            ("done", NativeField("pg_snapshot")),
            ("floor", NativeField("pg_snapshot")),
            ("epoch", models.BigIntegerField(default=0)),
            ("cluster", models.TextField()),
            ("seen_at", models.DateTimeField()),
            ("caught_up_at", models.DateTimeField(null=True)),
            ("owed", NativeField("text[]", default=list)),
            ("forgotten", models.BooleanField(default=False)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
]


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                PostgresSQL(
                    CHANGE + ENTRY + FOLLOWING + TIME + RING + ANNOUNCE + COPY, reverse_sql=UNDO
                )
            ],
            state_operations=STATE,
        )
    ]
