-- PostgreSQL database dump


-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

-- Name: kck_publish_running_v1(pg_snapshot); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_running_v1(pg_snapshot) RETURNS xid8[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (string_to_array(split_part(($1)::text, ':'::text, 3), ','::text))::xid8[];


-- Name: kck_publish_age_v1(pg_snapshot); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_age_v1(pg_snapshot) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (((pg_snapshot_xmax($1))::text)::bigint - cardinality(public.kck_publish_running_v1($1)));


-- Name: kck_publish_announce_v1(text); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_announce_v1(wrote text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM set_config(wrote, pg_current_xact_id()::text, false);
    PERFORM kck_publish_ring_v1();
END
$$;


-- Name: kck_publish_changed_v1(text); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_changed_v1(source text) RETURNS void
    LANGUAGE plpgsql
    AS $_$
BEGIN
    INSERT INTO kck_publish_change (source, op) VALUES ($1, 'truncate');
    PERFORM kck_publish_announce_v1(
        'kck_publish.w_' || left(encode(sha256(convert_to($1, 'UTF8')), 'hex'), 16));
END
$_$;


-- Name: kck_publish_copy_v1(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_copy_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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
$$;


-- Name: kck_publish_delete_97098c78615e5804(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_delete_97098c78615e5804() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), '|upgrade_author|') > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> 'upgrade_author' AND to_regclass('"upgrade_author"') IS NOT NULL AND NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT TG_RELID
            UNION
            SELECT inhparent FROM above
            JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
        )
        SELECT FROM above WHERE relid = to_regclass('"upgrade_author"')
    ) THEN
        RETURN NULL;  -- a partition that was detached
    END IF;
    INSERT INTO kck_publish_change (source, op, columns, old, origin)
    SELECT 'upgrade_author', 'delete', '{id,name,slug}'::text[], ARRAY["kck_old"."id"::text, "kck_old"."name"::text, "kck_old"."slug"::text], NULLIF(current_setting('kck_publish.origin', true), '') FROM kck_old;
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.w_44cd652e25babfd3');
    END IF;
    RETURN NULL;
END
$$;


-- Name: FUNCTION kck_publish_delete_97098c78615e5804(); Type: COMMENT; Schema: public; Owner: -

COMMENT ON FUNCTION public.kck_publish_delete_97098c78615e5804() IS 'upgrade_author
id
name
slug';


-- Name: kck_publish_delete_ef0587c73bc88e1b(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_delete_ef0587c73bc88e1b() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), '|upgrade_book|') > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> 'upgrade_book' AND to_regclass('"upgrade_book"') IS NOT NULL AND NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT TG_RELID
            UNION
            SELECT inhparent FROM above
            JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
        )
        SELECT FROM above WHERE relid = to_regclass('"upgrade_book"')
    ) THEN
        RETURN NULL;  -- a partition that was detached
    END IF;
    INSERT INTO kck_publish_change (source, op, columns, old, origin)
    SELECT 'upgrade_book', 'delete', '{id,author_id,title,price}'::text[], ARRAY["kck_old"."id"::text, "kck_old"."author_id"::text, "kck_old"."title"::text, "kck_old"."price"::text], NULLIF(current_setting('kck_publish.origin', true), '') FROM kck_old;
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.w_e81b215333ba79fe');
    END IF;
    RETURN NULL;
END
$$;


-- Name: FUNCTION kck_publish_delete_ef0587c73bc88e1b(); Type: COMMENT; Schema: public; Owner: -

COMMENT ON FUNCTION public.kck_publish_delete_ef0587c73bc88e1b() IS 'upgrade_book
id
author_id
title
price';


-- Name: kck_publish_insert_97098c78615e5804(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_insert_97098c78615e5804() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), '|upgrade_author|') > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> 'upgrade_author' AND to_regclass('"upgrade_author"') IS NOT NULL AND NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT TG_RELID
            UNION
            SELECT inhparent FROM above
            JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
        )
        SELECT FROM above WHERE relid = to_regclass('"upgrade_author"')
    ) THEN
        RETURN NULL;  -- a partition that was detached
    END IF;
    INSERT INTO kck_publish_change (source, op, columns, new, origin)
    SELECT 'upgrade_author', 'insert', '{id,name,slug}'::text[], ARRAY["kck_new"."id"::text, "kck_new"."name"::text, "kck_new"."slug"::text], NULLIF(current_setting('kck_publish.origin', true), '') FROM kck_new;
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.w_44cd652e25babfd3');
    END IF;
    RETURN NULL;
END
$$;


-- Name: FUNCTION kck_publish_insert_97098c78615e5804(); Type: COMMENT; Schema: public; Owner: -

COMMENT ON FUNCTION public.kck_publish_insert_97098c78615e5804() IS 'upgrade_author
id
name
slug';


-- Name: kck_publish_insert_ef0587c73bc88e1b(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_insert_ef0587c73bc88e1b() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), '|upgrade_book|') > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> 'upgrade_book' AND to_regclass('"upgrade_book"') IS NOT NULL AND NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT TG_RELID
            UNION
            SELECT inhparent FROM above
            JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
        )
        SELECT FROM above WHERE relid = to_regclass('"upgrade_book"')
    ) THEN
        RETURN NULL;  -- a partition that was detached
    END IF;
    INSERT INTO kck_publish_change (source, op, columns, new, origin)
    SELECT 'upgrade_book', 'insert', '{id,author_id,title,price}'::text[], ARRAY["kck_new"."id"::text, "kck_new"."author_id"::text, "kck_new"."title"::text, "kck_new"."price"::text], NULLIF(current_setting('kck_publish.origin', true), '') FROM kck_new;
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.w_e81b215333ba79fe');
    END IF;
    RETURN NULL;
END
$$;


-- Name: FUNCTION kck_publish_insert_ef0587c73bc88e1b(); Type: COMMENT; Schema: public; Owner: -

COMMENT ON FUNCTION public.kck_publish_insert_ef0587c73bc88e1b() IS 'upgrade_book
id
author_id
title
price';


-- Name: kck_publish_ring_v1(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_ring_v1() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF (current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted')
        AND NOT EXISTS (SELECT FROM kck_publish_listener WHERE kind = 'quiet'))
       OR EXISTS (SELECT FROM kck_publish_listener WHERE asleep) THEN
        PERFORM pg_notify('kck_publish_' || 'kck_publish_listener'::regclass::oid, '');
    END IF;
END
$$;


-- Name: kck_publish_truncate_97098c78615e5804(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_truncate_97098c78615e5804() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), '|upgrade_author|') > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> 'upgrade_author' AND to_regclass('"upgrade_author"') IS NOT NULL AND NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT TG_RELID
            UNION
            SELECT inhparent FROM above
            JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
        )
        SELECT FROM above WHERE relid = to_regclass('"upgrade_author"')
    ) THEN
        RETURN NULL;  -- a partition that was detached
    END IF;
    INSERT INTO kck_publish_change (source, op, origin)
    SELECT 'upgrade_author', 'truncate', NULLIF(current_setting('kck_publish.origin', true), '');
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.w_44cd652e25babfd3');
    END IF;
    RETURN NULL;
END
$$;


-- Name: FUNCTION kck_publish_truncate_97098c78615e5804(); Type: COMMENT; Schema: public; Owner: -

COMMENT ON FUNCTION public.kck_publish_truncate_97098c78615e5804() IS 'upgrade_author';


-- Name: kck_publish_truncate_ef0587c73bc88e1b(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_truncate_ef0587c73bc88e1b() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), '|upgrade_book|') > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> 'upgrade_book' AND to_regclass('"upgrade_book"') IS NOT NULL AND NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT TG_RELID
            UNION
            SELECT inhparent FROM above
            JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
        )
        SELECT FROM above WHERE relid = to_regclass('"upgrade_book"')
    ) THEN
        RETURN NULL;  -- a partition that was detached
    END IF;
    INSERT INTO kck_publish_change (source, op, origin)
    SELECT 'upgrade_book', 'truncate', NULLIF(current_setting('kck_publish.origin', true), '');
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.w_e81b215333ba79fe');
    END IF;
    RETURN NULL;
END
$$;


-- Name: FUNCTION kck_publish_truncate_ef0587c73bc88e1b(); Type: COMMENT; Schema: public; Owner: -

COMMENT ON FUNCTION public.kck_publish_truncate_ef0587c73bc88e1b() IS 'upgrade_book';


-- Name: kck_publish_unseen_v1(xid8, pg_snapshot); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_unseen_v1(xid8, pg_snapshot) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (($1 >= pg_snapshot_xmax($2)) OR ($1 = ANY (public.kck_publish_running_v1($2))));


-- Name: kck_publish_update_97098c78615e5804(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_update_97098c78615e5804() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), '|upgrade_author|') > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> 'upgrade_author' AND to_regclass('"upgrade_author"') IS NOT NULL AND NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT TG_RELID
            UNION
            SELECT inhparent FROM above
            JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
        )
        SELECT FROM above WHERE relid = to_regclass('"upgrade_author"')
    ) THEN
        RETURN NULL;  -- a partition that was detached
    END IF;
    INSERT INTO kck_publish_change (source, op, columns, old, new, origin)
    SELECT 'upgrade_author',
           CASE WHEN kck_old."id" IS NULL THEN 'insert' WHEN kck_new."id" IS NULL THEN 'delete'
                ELSE 'update' END,
           '{id,name,slug}'::text[],
           CASE WHEN kck_old."id" IS NOT NULL THEN ARRAY["kck_old"."id"::text, "kck_old"."name"::text, "kck_old"."slug"::text] END,
           CASE WHEN kck_new."id" IS NOT NULL THEN ARRAY["kck_new"."id"::text, "kck_new"."name"::text, "kck_new"."slug"::text] END,
           NULLIF(current_setting('kck_publish.origin', true), '')
    FROM kck_old FULL JOIN kck_new ON kck_old."id" = kck_new."id"
    WHERE kck_old."id" IS NULL OR kck_new."id" IS NULL OR kck_old *<> kck_new;
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.w_44cd652e25babfd3');
    END IF;
    RETURN NULL;
END
$$;


-- Name: FUNCTION kck_publish_update_97098c78615e5804(); Type: COMMENT; Schema: public; Owner: -

COMMENT ON FUNCTION public.kck_publish_update_97098c78615e5804() IS 'upgrade_author
id
name
slug';


-- Name: kck_publish_update_ef0587c73bc88e1b(); Type: FUNCTION; Schema: public; Owner: -

CREATE FUNCTION public.kck_publish_update_ef0587c73bc88e1b() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET "TimeZone" TO 'UTC'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), '|upgrade_book|') > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> 'upgrade_book' AND to_regclass('"upgrade_book"') IS NOT NULL AND NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT TG_RELID
            UNION
            SELECT inhparent FROM above
            JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
        )
        SELECT FROM above WHERE relid = to_regclass('"upgrade_book"')
    ) THEN
        RETURN NULL;  -- a partition that was detached
    END IF;
    INSERT INTO kck_publish_change (source, op, columns, old, new, origin)
    SELECT 'upgrade_book',
           CASE WHEN kck_old."id" IS NULL THEN 'insert' WHEN kck_new."id" IS NULL THEN 'delete'
                ELSE 'update' END,
           '{id,author_id,title,price}'::text[],
           CASE WHEN kck_old."id" IS NOT NULL THEN ARRAY["kck_old"."id"::text, "kck_old"."author_id"::text, "kck_old"."title"::text, "kck_old"."price"::text] END,
           CASE WHEN kck_new."id" IS NOT NULL THEN ARRAY["kck_new"."id"::text, "kck_new"."author_id"::text, "kck_new"."title"::text, "kck_new"."price"::text] END,
           NULLIF(current_setting('kck_publish.origin', true), '')
    FROM kck_old FULL JOIN kck_new ON kck_old."id" = kck_new."id"
    WHERE kck_old."id" IS NULL OR kck_new."id" IS NULL OR ROW("kck_old"."id", "kck_old"."author_id", "kck_old"."title", "kck_old"."price")::record *<> ROW("kck_new"."id", "kck_new"."author_id", "kck_new"."title", "kck_new"."price")::record;
    IF FOUND THEN
        PERFORM kck_publish_announce_v1('kck_publish.w_e81b215333ba79fe');
    END IF;
    RETURN NULL;
END
$$;


-- Name: FUNCTION kck_publish_update_ef0587c73bc88e1b(); Type: COMMENT; Schema: public; Owner: -

COMMENT ON FUNCTION public.kck_publish_update_ef0587c73bc88e1b() IS 'upgrade_book
id
author_id
title
price';


SET default_tablespace = '';

SET default_table_access_method = heap;

-- Name: django_content_type; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.django_content_type (
    id integer NOT NULL,
    app_label character varying(100) NOT NULL,
    model character varying(100) NOT NULL
);


-- Name: django_content_type_id_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.django_content_type ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_content_type_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Name: django_migrations; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.django_migrations (
    id bigint NOT NULL,
    app character varying(255) NOT NULL,
    name character varying(255) NOT NULL,
    applied timestamp with time zone NOT NULL
);


-- Name: django_migrations_id_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.django_migrations ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_migrations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Name: kck_publish_backlog; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_backlog (
    id bigint NOT NULL,
    shard integer NOT NULL,
    name text NOT NULL,
    stored boolean NOT NULL,
    since pg_snapshot NOT NULL,
    until pg_snapshot NOT NULL,
    at timestamp with time zone NOT NULL,
    xid bigint DEFAULT 0 NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    digest uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL
)
WITH (fillfactor='50');


-- Name: kck_publish_backlog_id_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.kck_publish_backlog ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.kck_publish_backlog_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Name: kck_publish_change; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_change (
    seq bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    source text NOT NULL,
    op text NOT NULL,
    columns text[],
    old text[],
    new text[],
    origin text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


-- Name: kck_publish_change_seq_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.kck_publish_change ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.kck_publish_change_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Name: kck_publish_consumer; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_consumer (
    id bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    done pg_snapshot NOT NULL,
    until pg_snapshot,
    seq bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'following'::text NOT NULL,
    cluster text DEFAULT ''::text NOT NULL,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
WITH (fillfactor='50');


-- Name: kck_publish_consumer_id_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.kck_publish_consumer ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.kck_publish_consumer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Name: kck_publish_copy; Type: TABLE; Schema: public; Owner: -

CREATE UNLOGGED TABLE public.kck_publish_copy (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    key text,
    consumer bigint
);


-- Name: kck_publish_copy_id_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.kck_publish_copy ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.kck_publish_copy_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Name: kck_publish_edge; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_edge (
    digest uuid NOT NULL,
    fingerprint text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL,
    read uuid NOT NULL,
    read_key text NOT NULL,
    read_product text NOT NULL COLLATE pg_catalog."C"
);


-- Name: kck_publish_version; Type: SEQUENCE; Schema: public; Owner: -

CREATE SEQUENCE public.kck_publish_version
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


-- Name: kck_publish_entry; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_entry (
    digest uuid NOT NULL,
    fingerprint text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL,
    product text NOT NULL COLLATE pg_catalog."C",
    bucket integer NOT NULL,
    body bytea,
    shape bytea,
    stamp pg_snapshot NOT NULL,
    by text NOT NULL,
    version bigint DEFAULT nextval('public.kck_publish_version'::regclass) NOT NULL,
    primed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    soft_expire timestamp with time zone,
    hard_expire timestamp with time zone,
    behind boolean DEFAULT false NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    seconds real DEFAULT 0 NOT NULL,
    over text
)
WITH (fillfactor='80');


-- Name: kck_publish_failure; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_failure (
    digest uuid NOT NULL,
    fingerprint text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL,
    product text NOT NULL,
    bucket integer NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    first_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    due_at timestamp with time zone,
    error text NOT NULL,
    message text NOT NULL,
    traceback text NOT NULL
);


-- Name: kck_publish_fetch; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_fetch (
    digest uuid NOT NULL,
    key text NOT NULL,
    product text NOT NULL,
    value bytea NOT NULL,
    state jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


-- Name: kck_publish_layout; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_layout (
    source text NOT NULL,
    layout jsonb NOT NULL
)
WITH (fillfactor='50');


-- Name: kck_publish_listener; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_listener (
    id bigint NOT NULL,
    name text NOT NULL,
    asleep boolean DEFAULT false NOT NULL,
    backend integer NOT NULL,
    kind text DEFAULT 'listener'::text NOT NULL,
    shards integer[] DEFAULT '{}'::integer[] NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    busy_until timestamp with time zone,
    seat_belt bigint DEFAULT 0 NOT NULL,
    audited bigint DEFAULT 0 NOT NULL,
    differing bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');


-- Name: kck_publish_listener_id_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.kck_publish_listener ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.kck_publish_listener_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Name: kck_publish_schedule; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_schedule (
    product text NOT NULL,
    every text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone
)
WITH (fillfactor='50');


-- Name: kck_publish_shard; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.kck_publish_shard (
    shard integer NOT NULL,
    shards integer NOT NULL,
    claimed pg_snapshot NOT NULL,
    done pg_snapshot NOT NULL,
    floor pg_snapshot DEFAULT '1:1:'::pg_snapshot NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    cluster text NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    caught_up_at timestamp with time zone,
    owed text[] DEFAULT '{}'::text[] NOT NULL,
    forgotten boolean DEFAULT false NOT NULL
)
WITH (fillfactor='50');


-- Name: upgrade_author; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.upgrade_author (
    id bigint NOT NULL,
    slug character varying(50) NOT NULL,
    name text NOT NULL
);


-- Name: upgrade_author_id_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.upgrade_author ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.upgrade_author_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Name: upgrade_book; Type: TABLE; Schema: public; Owner: -

CREATE TABLE public.upgrade_book (
    id bigint NOT NULL,
    title text NOT NULL,
    price integer NOT NULL,
    author_id bigint NOT NULL
);


-- Name: upgrade_book_id_seq; Type: SEQUENCE; Schema: public; Owner: -

ALTER TABLE public.upgrade_book ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.upgrade_book_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


-- Data for Name: django_content_type; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.django_content_type VALUES (1, 'contenttypes', 'contenttype');
INSERT INTO public.django_content_type VALUES (2, 'kck_publish', 'backlog');
INSERT INTO public.django_content_type VALUES (3, 'kck_publish', 'consumer');
INSERT INTO public.django_content_type VALUES (4, 'kck_publish', 'change');
INSERT INTO public.django_content_type VALUES (5, 'kck_publish', 'entry');
INSERT INTO public.django_content_type VALUES (6, 'kck_publish', 'edge');
INSERT INTO public.django_content_type VALUES (7, 'kck_publish', 'failure');
INSERT INTO public.django_content_type VALUES (8, 'kck_publish', 'listener');
INSERT INTO public.django_content_type VALUES (9, 'kck_publish', 'schedule');
INSERT INTO public.django_content_type VALUES (10, 'kck_publish', 'layout');
INSERT INTO public.django_content_type VALUES (11, 'kck_publish', 'fetch');
INSERT INTO public.django_content_type VALUES (12, 'kck_publish', 'copy');
INSERT INTO public.django_content_type VALUES (13, 'kck_publish', 'shard');
INSERT INTO public.django_content_type VALUES (14, 'upgrade', 'author');
INSERT INTO public.django_content_type VALUES (15, 'upgrade', 'book');


-- Data for Name: django_migrations; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.django_migrations VALUES (1, 'contenttypes', '0001_initial', '2026-11-29 14:43:36.129225+00');
INSERT INTO public.django_migrations VALUES (2, 'contenttypes', '0002_remove_content_type_name', '2026-11-29 14:43:36.152925+00');
INSERT INTO public.django_migrations VALUES (3, 'kck_publish', '0001_initial', '2026-11-29 14:43:36.491072+00');
INSERT INTO public.django_migrations VALUES (4, 'upgrade', '0001_initial', '2026-11-29 14:43:36.666071+00');


-- Data for Name: kck_publish_backlog; Type: TABLE DATA; Schema: public; Owner: -



-- Data for Name: kck_publish_change; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (1, '741', 'upgrade_author', 'insert', '{id,name,slug}', NULL, '{1,Le-Guin,le-guin}', NULL, '2026-11-29 14:43:36.979994+00');
INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (2, '742', 'upgrade_book', 'insert', '{id,author_id,title,price}', NULL, '{1,1,"le-guin 0",1}', NULL, '2026-11-29 14:43:36.996809+00');
INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (3, '743', 'upgrade_book', 'insert', '{id,author_id,title,price}', NULL, '{2,1,"le-guin 1",2}', NULL, '2026-11-29 14:43:37.007094+00');
INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (4, '744', 'upgrade_book', 'insert', '{id,author_id,title,price}', NULL, '{3,1,"le-guin 2",3}', NULL, '2026-11-29 14:43:37.018815+00');
INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (5, '748', 'upgrade_author', 'insert', '{id,name,slug}', NULL, '{2,Jemisin,jemisin}', NULL, '2026-11-29 14:43:37.161684+00');
INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (6, '749', 'upgrade_book', 'insert', '{id,author_id,title,price}', NULL, '{4,2,"jemisin 0",1}', NULL, '2026-11-29 14:43:37.16687+00');
INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (7, '750', 'upgrade_book', 'insert', '{id,author_id,title,price}', NULL, '{5,2,"jemisin 1",2}', NULL, '2026-11-29 14:43:37.175602+00');
INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (8, '751', 'upgrade_book', 'insert', '{id,author_id,title,price}', NULL, '{6,2,"jemisin 2",3}', NULL, '2026-11-29 14:43:37.185217+00');
INSERT INTO public.kck_publish_change OVERRIDING SYSTEM VALUE VALUES (9, '755', 'upgrade_book', 'update', '{id,author_id,title,price}', '{6,2,"jemisin 2",3}', '{6,2,broken,3}', NULL, '2026-11-29 14:43:37.284738+00');


-- Data for Name: kck_publish_consumer; Type: TABLE DATA; Schema: public; Owner: -



-- Data for Name: kck_publish_copy; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.kck_publish_copy OVERRIDING SYSTEM VALUE VALUES (1, '746', 'spending/1', NULL);
INSERT INTO public.kck_publish_copy OVERRIDING SYSTEM VALUE VALUES (2, '753', 'spending/2', NULL);


-- Data for Name: kck_publish_edge; Type: TABLE DATA; Schema: public; Owner: -



-- Data for Name: kck_publish_entry; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.kck_publish_entry VALUES ('0357fc04-324c-9b65-8620-6104ec2312d8', '2dfa618f4b00d2b5', 'upgrade.author/2', 'upgrade.author', 4824, '\x5b322c226a656d6973696e222c224a656d6973696e225d', NULL, '758:758:', 'listener', 7, '2026-11-29 14:43:37.894835+00', NULL, NULL, false, 'change: insert of upgrade_author, xid 748', 0.003268029, NULL);
INSERT INTO public.kck_publish_entry VALUES ('24c4fa90-5474-d247-35f2-f58859b84e92', '2dfa618f4b00d2b5', 'upgrade.author/1', 'upgrade.author', 20114, '\x5b312c226c652d6775696e222c224c652d4775696e225d', NULL, '758:758:', 'listener', 8, '2026-11-29 14:43:37.894889+00', NULL, NULL, false, 'change: insert of upgrade_author, xid 741', 0.003268029, NULL);
INSERT INTO public.kck_publish_entry VALUES ('887ec777-81b0-4cea-ecba-69ef9bfe6dc0', '3b46491ef9dfc8a7', 'page/2', 'page', 28096, '\x7b226e616d65223a224a656d6973696e222c22626f6f6b73223a5b2262726f6b656e222c226a656d6973696e2030222c226a656d6973696e2031225d7d', NULL, '758:758:', 'listener', 9, '2026-11-29 14:43:37.894901+00', NULL, NULL, false, 'change: update of upgrade_book, xid 755', 0.017392343, NULL);
INSERT INTO public.kck_publish_entry VALUES ('bb54f50d-1e20-75c0-ca6d-06da7a486d7c', '2dfa618f4b00d2b5', 'upgrade.author:slug/jemisin', 'upgrade.author:slug', 28028, '\x5b322c226a656d6973696e222c224a656d6973696e225d', NULL, '758:758:', 'listener', 10, '2026-11-29 14:43:37.894972+00', NULL, NULL, false, 'change: insert of upgrade_author, xid 748', 0.0043717837, NULL);
INSERT INTO public.kck_publish_entry VALUES ('dd8ba0d4-ada3-6a32-76c8-39201c3be319', '2dfa618f4b00d2b5', 'upgrade.author:slug/le-guin', 'upgrade.author:slug', 58137, '\x5b312c226c652d6775696e222c224c652d4775696e225d', NULL, '758:758:', 'listener', 11, '2026-11-29 14:43:37.894977+00', NULL, NULL, false, 'change: insert of upgrade_author, xid 741', 0.0043717837, NULL);
INSERT INTO public.kck_publish_entry VALUES ('c08954ae-e5b6-e294-4a11-67838d14b164', '3b46491ef9dfc8a7', 'page/1', 'page', 45412, '\x7b226e616d65223a224c652d4775696e222c22626f6f6b73223a5b226c652d6775696e2030222c226c652d6775696e2031222c226c652d6775696e2032225d7d', NULL, '745:745:', 'listener', 1, '2026-11-29 14:43:37.080205+00', NULL, NULL, false, 'miss', 0.013755602, NULL);
INSERT INTO public.kck_publish_entry VALUES ('4d9fb5c0-badf-5505-f3f1-08e43ad7910a', '11671133b1a56e1f', 'spending/1', 'spending', 37130, '\x36', NULL, '746:746:', 'listener', 2, '2026-11-29 14:43:37.113507+00', NULL, NULL, false, 'miss', 0.002644908, NULL);
INSERT INTO public.kck_publish_entry VALUES ('bc1b09b4-c936-74f8-e87c-086805cbd0c3', '164c66c22c50c23f', 'broken/1', 'broken', 53443, '\x31', NULL, '747:747:', 'listener', 3, '2026-11-29 14:43:37.147672+00', NULL, NULL, false, 'miss', 0.005939171, NULL);
INSERT INTO public.kck_publish_entry VALUES ('efb8386e-3812-0db6-629d-76db25d0066f', '11671133b1a56e1f', 'spending/2', 'spending', 1647, '\x36', NULL, '753:753:', 'listener', 5, '2026-11-29 14:43:37.236787+00', NULL, NULL, false, 'miss', 0.001074135, NULL);
INSERT INTO public.kck_publish_entry VALUES ('25afe027-9319-890f-2d0b-fe87ccb82ad3', '164c66c22c50c23f', 'broken/2', 'broken', 10963, '\x32', NULL, '754:754:', 'reader', 6, '2026-11-29 14:43:37.270472+00', NULL, NULL, true, 'miss', 0.004804547, NULL);


-- Data for Name: kck_publish_failure; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.kck_publish_failure VALUES ('25afe027-9319-890f-2d0b-fe87ccb82ad3', '164c66c22c50c23f', 'broken/2', 'broken', 10963, 1, '2026-11-29 14:43:37.881927+00', NULL, 'builtins.ValueError', 'broken', 'Traceback (most recent call last):
  File "/srv/shop/kck_publish/products/compute.py", line 167, in _attempt
    answer = Computed(time_limit.within(inner.name, product.time_limit, watching))
                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/kck_publish/products/time_limit.py", line 121, in within
    return run() if outer is None else _honestly(run, outer)
           ^^^^^
  File "/srv/shop/kck_publish/products/compute.py", line 190, in watching
    return run()
           ^^^^^
  File "/srv/shop/kck_publish/products/compute.py", line 154, in _alone
    return inner.product.prime_one(parameters)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/kck_publish/primers/product.py", line 75, in prime_one
    value = finished(self.primer.compute(**parameters))
                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/tests/upgrade/primers.py", line 52, in compute
    raise ValueError("broken")
ValueError: broken
');


-- Data for Name: kck_publish_fetch; Type: TABLE DATA; Schema: public; Owner: -



-- Data for Name: kck_publish_layout; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.kck_publish_layout VALUES ('upgrade_author', '{"tables": {"16546": ["16546", "kck_publish_delete_97098c78615e5804=738 kck_publish_insert_97098c78615e5804=738 kck_publish_truncate_97098c78615e5804=738 kck_publish_update_97098c78615e5804=738"]}, "columns": {"id": "1 20", "name": "3 25", "slug": "2 1043"}}');
INSERT INTO public.kck_publish_layout VALUES ('upgrade_book', '{"tables": {"16556": ["16556", "kck_publish_delete_ef0587c73bc88e1b=739 kck_publish_insert_ef0587c73bc88e1b=739 kck_publish_truncate_ef0587c73bc88e1b=739 kck_publish_update_ef0587c73bc88e1b=739"]}, "columns": {"id": "1 20", "price": "3 23", "title": "2 25", "author_id": "4 20"}}');


-- Data for Name: kck_publish_listener; Type: TABLE DATA; Schema: public; Owner: -



-- Data for Name: kck_publish_schedule; Type: TABLE DATA; Schema: public; Owner: -



-- Data for Name: kck_publish_shard; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.kck_publish_shard VALUES (0, 1, '758:758:', '758:758:', '1:1:', 1795963417802129, '7713604101399398072', '2026-11-29 14:43:37.902389+00', '2026-11-29 14:43:37.816191+00', '{}', false);


-- Data for Name: upgrade_author; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.upgrade_author VALUES (1, 'le-guin', 'Le-Guin');
INSERT INTO public.upgrade_author VALUES (2, 'jemisin', 'Jemisin');


-- Data for Name: upgrade_book; Type: TABLE DATA; Schema: public; Owner: -

INSERT INTO public.upgrade_book VALUES (1, 'le-guin 0', 1, 1);
INSERT INTO public.upgrade_book VALUES (2, 'le-guin 1', 2, 1);
INSERT INTO public.upgrade_book VALUES (3, 'le-guin 2', 3, 1);
INSERT INTO public.upgrade_book VALUES (4, 'jemisin 0', 1, 2);
INSERT INTO public.upgrade_book VALUES (5, 'jemisin 1', 2, 2);
INSERT INTO public.upgrade_book VALUES (6, 'broken', 3, 2);


-- Name: django_content_type_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.django_content_type_id_seq', 15, true);


-- Name: django_migrations_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.django_migrations_id_seq', 4, true);


-- Name: kck_publish_backlog_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.kck_publish_backlog_id_seq', 1, false);


-- Name: kck_publish_change_seq_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.kck_publish_change_seq_seq', 9, true);


-- Name: kck_publish_consumer_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.kck_publish_consumer_id_seq', 1, false);


-- Name: kck_publish_copy_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.kck_publish_copy_id_seq', 2, true);


-- Name: kck_publish_listener_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.kck_publish_listener_id_seq', 1, false);


-- Name: kck_publish_version; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.kck_publish_version', 11, true);


-- Name: upgrade_author_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.upgrade_author_id_seq', 2, true);


-- Name: upgrade_book_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -

SELECT pg_catalog.setval('public.upgrade_book_id_seq', 6, true);


-- Name: django_content_type django_content_type_app_label_model_76bd3d3b_uniq; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.django_content_type
    ADD CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq UNIQUE (app_label, model);


-- Name: django_content_type django_content_type_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.django_content_type
    ADD CONSTRAINT django_content_type_pkey PRIMARY KEY (id);


-- Name: django_migrations django_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.django_migrations
    ADD CONSTRAINT django_migrations_pkey PRIMARY KEY (id);


-- Name: kck_publish_backlog kck_publish_backlog_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_backlog
    ADD CONSTRAINT kck_publish_backlog_pkey PRIMARY KEY (id);


-- Name: kck_publish_consumer kck_publish_consumer_name_kind_key; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_consumer
    ADD CONSTRAINT kck_publish_consumer_name_kind_key UNIQUE (name, kind);


-- Name: kck_publish_consumer kck_publish_consumer_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_consumer
    ADD CONSTRAINT kck_publish_consumer_pkey PRIMARY KEY (id);


-- Name: kck_publish_copy kck_publish_copy_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_copy
    ADD CONSTRAINT kck_publish_copy_pkey PRIMARY KEY (id);


-- Name: kck_publish_edge kck_publish_edge_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_edge
    ADD CONSTRAINT kck_publish_edge_pkey PRIMARY KEY (digest, fingerprint, read);


-- Name: kck_publish_entry kck_publish_entry_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_entry
    ADD CONSTRAINT kck_publish_entry_pkey PRIMARY KEY (digest, fingerprint);


-- Name: kck_publish_failure kck_publish_failure_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_failure
    ADD CONSTRAINT kck_publish_failure_pkey PRIMARY KEY (digest, fingerprint);


-- Name: kck_publish_fetch kck_publish_fetch_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_fetch
    ADD CONSTRAINT kck_publish_fetch_pkey PRIMARY KEY (digest);


-- Name: kck_publish_layout kck_publish_layout_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_layout
    ADD CONSTRAINT kck_publish_layout_pkey PRIMARY KEY (source);


-- Name: kck_publish_listener kck_publish_listener_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_listener
    ADD CONSTRAINT kck_publish_listener_pkey PRIMARY KEY (id);


-- Name: kck_publish_schedule kck_publish_schedule_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_schedule
    ADD CONSTRAINT kck_publish_schedule_pkey PRIMARY KEY (product);


-- Name: kck_publish_shard kck_publish_shard_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_shard
    ADD CONSTRAINT kck_publish_shard_pkey PRIMARY KEY (shard);


-- Name: upgrade_author upgrade_author_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.upgrade_author
    ADD CONSTRAINT upgrade_author_pkey PRIMARY KEY (id);


-- Name: upgrade_author upgrade_author_slug_key; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.upgrade_author
    ADD CONSTRAINT upgrade_author_slug_key UNIQUE (slug);


-- Name: upgrade_book upgrade_book_pkey; Type: CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.upgrade_book
    ADD CONSTRAINT upgrade_book_pkey PRIMARY KEY (id);


-- Name: kck_publish_change_xid; Type: INDEX; Schema: public; Owner: -

CREATE INDEX kck_publish_change_xid ON public.kck_publish_change USING btree (xid, seq);


-- Name: kck_publish_copy_xid; Type: INDEX; Schema: public; Owner: -

CREATE INDEX kck_publish_copy_xid ON public.kck_publish_copy USING btree (xid);


-- Name: kck_publish_edge_product; Type: INDEX; Schema: public; Owner: -

CREATE INDEX kck_publish_edge_product ON public.kck_publish_edge USING btree (read_product);


-- Name: kck_publish_edge_read; Type: INDEX; Schema: public; Owner: -

CREATE INDEX kck_publish_edge_read ON public.kck_publish_edge USING btree (read);


-- Name: kck_publish_entry_absent; Type: INDEX; Schema: public; Owner: -

CREATE INDEX kck_publish_entry_absent ON public.kck_publish_entry USING btree (hard_expire) WHERE (reason = 'absent'::text);


-- Name: kck_publish_entry_lazy; Type: INDEX; Schema: public; Owner: -

CREATE INDEX kck_publish_entry_lazy ON public.kck_publish_entry USING btree (bucket) WHERE (by = 'reader'::text);


-- Name: kck_publish_entry_product; Type: INDEX; Schema: public; Owner: -

CREATE INDEX kck_publish_entry_product ON public.kck_publish_entry USING btree (product);


-- Name: upgrade_author_slug_9e053a7a_like; Type: INDEX; Schema: public; Owner: -

CREATE INDEX upgrade_author_slug_9e053a7a_like ON public.upgrade_author USING btree (slug varchar_pattern_ops);


-- Name: upgrade_book_author_id_c4e9ba5d; Type: INDEX; Schema: public; Owner: -

CREATE INDEX upgrade_book_author_id_c4e9ba5d ON public.upgrade_book USING btree (author_id);


-- Name: kck_publish_entry kck_publish_copy_delete; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_copy_delete AFTER DELETE ON public.kck_publish_entry REFERENCING OLD TABLE AS kck_gone FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_copy_v1();


-- Name: kck_publish_entry kck_publish_copy_insert; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_copy_insert AFTER INSERT ON public.kck_publish_entry REFERENCING NEW TABLE AS kck_kept FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_copy_v1();


-- Name: kck_publish_entry kck_publish_copy_truncate; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_copy_truncate AFTER TRUNCATE ON public.kck_publish_entry FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_copy_v1();


-- Name: kck_publish_entry kck_publish_copy_update; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_copy_update AFTER UPDATE ON public.kck_publish_entry REFERENCING NEW TABLE AS kck_kept FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_copy_v1();


-- Name: upgrade_author kck_publish_delete_97098c78615e5804; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_delete_97098c78615e5804 AFTER DELETE ON public.upgrade_author REFERENCING OLD TABLE AS kck_old FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_delete_97098c78615e5804();

ALTER TABLE public.upgrade_author ENABLE ALWAYS TRIGGER kck_publish_delete_97098c78615e5804;


-- Name: TRIGGER kck_publish_delete_97098c78615e5804 ON upgrade_author; Type: COMMENT; Schema: public; Owner: -

COMMENT ON TRIGGER kck_publish_delete_97098c78615e5804 ON public.upgrade_author IS 'e4aa0f06d24d830093d56041d5c3deef';


-- Name: upgrade_book kck_publish_delete_ef0587c73bc88e1b; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_delete_ef0587c73bc88e1b AFTER DELETE ON public.upgrade_book REFERENCING OLD TABLE AS kck_old FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_delete_ef0587c73bc88e1b();

ALTER TABLE public.upgrade_book ENABLE ALWAYS TRIGGER kck_publish_delete_ef0587c73bc88e1b;


-- Name: TRIGGER kck_publish_delete_ef0587c73bc88e1b ON upgrade_book; Type: COMMENT; Schema: public; Owner: -

COMMENT ON TRIGGER kck_publish_delete_ef0587c73bc88e1b ON public.upgrade_book IS 'd0bd367bb48dab745c7561478ce9f80e';


-- Name: upgrade_author kck_publish_insert_97098c78615e5804; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_insert_97098c78615e5804 AFTER INSERT ON public.upgrade_author REFERENCING NEW TABLE AS kck_new FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_insert_97098c78615e5804();

ALTER TABLE public.upgrade_author ENABLE ALWAYS TRIGGER kck_publish_insert_97098c78615e5804;


-- Name: TRIGGER kck_publish_insert_97098c78615e5804 ON upgrade_author; Type: COMMENT; Schema: public; Owner: -

COMMENT ON TRIGGER kck_publish_insert_97098c78615e5804 ON public.upgrade_author IS '8d8c777632d4031658856b3ac0d75f2d';


-- Name: upgrade_book kck_publish_insert_ef0587c73bc88e1b; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_insert_ef0587c73bc88e1b AFTER INSERT ON public.upgrade_book REFERENCING NEW TABLE AS kck_new FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_insert_ef0587c73bc88e1b();

ALTER TABLE public.upgrade_book ENABLE ALWAYS TRIGGER kck_publish_insert_ef0587c73bc88e1b;


-- Name: TRIGGER kck_publish_insert_ef0587c73bc88e1b ON upgrade_book; Type: COMMENT; Schema: public; Owner: -

COMMENT ON TRIGGER kck_publish_insert_ef0587c73bc88e1b ON public.upgrade_book IS 'd73c3be961568442bb78479099f8c29c';


-- Name: upgrade_author kck_publish_truncate_97098c78615e5804; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_truncate_97098c78615e5804 AFTER TRUNCATE ON public.upgrade_author FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_truncate_97098c78615e5804();

ALTER TABLE public.upgrade_author ENABLE ALWAYS TRIGGER kck_publish_truncate_97098c78615e5804;


-- Name: TRIGGER kck_publish_truncate_97098c78615e5804 ON upgrade_author; Type: COMMENT; Schema: public; Owner: -

COMMENT ON TRIGGER kck_publish_truncate_97098c78615e5804 ON public.upgrade_author IS '3409d3cf78495842d010ce8047421671';


-- Name: upgrade_book kck_publish_truncate_ef0587c73bc88e1b; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_truncate_ef0587c73bc88e1b AFTER TRUNCATE ON public.upgrade_book FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_truncate_ef0587c73bc88e1b();

ALTER TABLE public.upgrade_book ENABLE ALWAYS TRIGGER kck_publish_truncate_ef0587c73bc88e1b;


-- Name: TRIGGER kck_publish_truncate_ef0587c73bc88e1b ON upgrade_book; Type: COMMENT; Schema: public; Owner: -

COMMENT ON TRIGGER kck_publish_truncate_ef0587c73bc88e1b ON public.upgrade_book IS 'b57f79ab2af8946b3710f40d2dab829a';


-- Name: upgrade_author kck_publish_update_97098c78615e5804; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_update_97098c78615e5804 AFTER UPDATE ON public.upgrade_author REFERENCING OLD TABLE AS kck_old NEW TABLE AS kck_new FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_update_97098c78615e5804();

ALTER TABLE public.upgrade_author ENABLE ALWAYS TRIGGER kck_publish_update_97098c78615e5804;


-- Name: TRIGGER kck_publish_update_97098c78615e5804 ON upgrade_author; Type: COMMENT; Schema: public; Owner: -

COMMENT ON TRIGGER kck_publish_update_97098c78615e5804 ON public.upgrade_author IS '863eb8a780b6e1c83ad5220ff5958099';


-- Name: upgrade_book kck_publish_update_ef0587c73bc88e1b; Type: TRIGGER; Schema: public; Owner: -

CREATE TRIGGER kck_publish_update_ef0587c73bc88e1b AFTER UPDATE ON public.upgrade_book REFERENCING OLD TABLE AS kck_old NEW TABLE AS kck_new FOR EACH STATEMENT EXECUTE FUNCTION public.kck_publish_update_ef0587c73bc88e1b();

ALTER TABLE public.upgrade_book ENABLE ALWAYS TRIGGER kck_publish_update_ef0587c73bc88e1b;


-- Name: TRIGGER kck_publish_update_ef0587c73bc88e1b ON upgrade_book; Type: COMMENT; Schema: public; Owner: -

COMMENT ON TRIGGER kck_publish_update_ef0587c73bc88e1b ON public.upgrade_book IS '56c5dc3a7494c45a1124ce4b3416ccf4';


-- Name: kck_publish_edge kck_publish_edge_digest_fingerprint_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.kck_publish_edge
    ADD CONSTRAINT kck_publish_edge_digest_fingerprint_fkey FOREIGN KEY (digest, fingerprint) REFERENCES public.kck_publish_entry(digest, fingerprint) ON DELETE CASCADE;


-- Name: upgrade_book upgrade_book_author_id_c4e9ba5d_fk_upgrade_author_id; Type: FK CONSTRAINT; Schema: public; Owner: -

ALTER TABLE ONLY public.upgrade_book
    ADD CONSTRAINT upgrade_book_author_id_c4e9ba5d_fk_upgrade_author_id FOREIGN KEY (author_id) REFERENCES public.upgrade_author(id) DEFERRABLE INITIALLY DEFERRED;


-- Name: FUNCTION kck_publish_delete_97098c78615e5804(); Type: ACL; Schema: public; Owner: -

REVOKE ALL ON FUNCTION public.kck_publish_delete_97098c78615e5804() FROM PUBLIC;


-- Name: FUNCTION kck_publish_delete_ef0587c73bc88e1b(); Type: ACL; Schema: public; Owner: -

REVOKE ALL ON FUNCTION public.kck_publish_delete_ef0587c73bc88e1b() FROM PUBLIC;


-- Name: FUNCTION kck_publish_insert_97098c78615e5804(); Type: ACL; Schema: public; Owner: -

REVOKE ALL ON FUNCTION public.kck_publish_insert_97098c78615e5804() FROM PUBLIC;


-- Name: FUNCTION kck_publish_insert_ef0587c73bc88e1b(); Type: ACL; Schema: public; Owner: -

REVOKE ALL ON FUNCTION public.kck_publish_insert_ef0587c73bc88e1b() FROM PUBLIC;


-- Name: FUNCTION kck_publish_truncate_97098c78615e5804(); Type: ACL; Schema: public; Owner: -

REVOKE ALL ON FUNCTION public.kck_publish_truncate_97098c78615e5804() FROM PUBLIC;


-- Name: FUNCTION kck_publish_truncate_ef0587c73bc88e1b(); Type: ACL; Schema: public; Owner: -

REVOKE ALL ON FUNCTION public.kck_publish_truncate_ef0587c73bc88e1b() FROM PUBLIC;


-- Name: FUNCTION kck_publish_update_97098c78615e5804(); Type: ACL; Schema: public; Owner: -

REVOKE ALL ON FUNCTION public.kck_publish_update_97098c78615e5804() FROM PUBLIC;


-- Name: FUNCTION kck_publish_update_ef0587c73bc88e1b(); Type: ACL; Schema: public; Owner: -

REVOKE ALL ON FUNCTION public.kck_publish_update_ef0587c73bc88e1b() FROM PUBLIC;


-- PostgreSQL database dump complete


