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
