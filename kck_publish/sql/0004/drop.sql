ALTER FUNCTION kck_publish_copy_v1() RESET search_path;
ALTER TABLE kck_publish_change DROP COLUMN trace;
DROP TABLE kck_publish_postponed, kck_publish_pause, kck_publish_history;
