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
