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
