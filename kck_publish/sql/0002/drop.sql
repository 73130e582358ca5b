DROP TABLE kck_publish_kafka_relay, kck_publish_kafka_unsent, kck_publish_kafka_offset,
    kck_publish_kafka_failure, kck_publish_kafka_version;
