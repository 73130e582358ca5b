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
