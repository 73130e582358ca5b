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
