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
