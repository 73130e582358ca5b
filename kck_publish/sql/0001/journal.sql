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
