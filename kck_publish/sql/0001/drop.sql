DROP TABLE kck_publish_layout, kck_publish_copy, kck_publish_fetch, kck_publish_schedule,
    kck_publish_edge,    kck_publish_failure, kck_publish_listener, kck_publish_backlog, kck_publish_consumer,
    kck_publish_shard, kck_publish_entry, kck_publish_change;
DROP SEQUENCE kck_publish_version;
DROP FUNCTION kck_publish_changed_v1(text), kck_publish_copy_v1(), kck_publish_announce_v1(text), kck_publish_ring_v1(),
    kck_publish_unseen_v1(xid8, pg_snapshot), kck_publish_age_v1(pg_snapshot),
    kck_publish_running_v1(pg_snapshot);
