-- What the relay knows of a topic that it fills: which topic it was, what was sent, and what is wrong.
CREATE TABLE kck_publish_kafka_relay (
    topic text PRIMARY KEY,
    -- As the broker tells it: another one means that the topic was made anew, and is empty.
    topic_id text NOT NULL DEFAULT '',
    sent bigint NOT NULL DEFAULT 0,
    suppressed bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    error_at timestamptz,
    sent_at timestamptz
) WITH (fillfactor = 50);
-- Messages that the broker refuses, such as one that is too large, and those of the same key after
-- them. They are tried again in this order.
CREATE TABLE kck_publish_kafka_unsent (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key bytea NOT NULL,
    value bytea,
    headers bytea NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    due_at timestamptz NOT NULL,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX kck_publish_kafka_unsent_topic ON kck_publish_kafka_unsent (topic, id);

-- How far a consumer group has handled a partition: written in the transaction of its rows.
CREATE TABLE kck_publish_kafka_offset (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id text NOT NULL DEFAULT '',
    next bigint NOT NULL,
    -- The partition's end as it was last seen, and the time of the last handled message.
    seen bigint NOT NULL DEFAULT 0,
    handled bigint NOT NULL DEFAULT 0,
    message_at timestamptz,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, topic, partition)
) WITH (fillfactor = 50);
-- Messages whose handling has failed. 'blocking': its partition waits for it. 'retrying': those
-- after it go on. 'dead': until somebody acts.
CREATE TABLE kck_publish_kafka_failure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    place bigint NOT NULL,
    digest uuid NOT NULL,
    key bytea,
    value bytea,
    headers bytea NOT NULL,
    message_at timestamptz,
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    due_at timestamptz,
    -- A later message of its key was handled, and says all that this one said.
    superseded boolean NOT NULL DEFAULT false,
    -- Still to be written to the retry topic, or to the dead letter topic.
    untold boolean NOT NULL DEFAULT false,
    -- The topic's broker refuses it: when it is shown again, and why it was not.
    tell_at timestamptz,
    tell_attempts integer NOT NULL DEFAULT 0,
    tell_error text NOT NULL DEFAULT '',
    error text NOT NULL,
    message text NOT NULL,
    traceback text NOT NULL,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (consumer, topic, partition, place)
);
CREATE INDEX kck_publish_kafka_failure_digest
    ON kck_publish_kafka_failure (consumer, topic, digest) WHERE state <> 'blocking';
CREATE INDEX kck_publish_kafka_failure_untold ON kck_publish_kafka_failure (consumer) WHERE untold;
-- The version of what a consumer has last applied, where the row does not tell it: it is deleted, or
-- the version is a header.
CREATE TABLE kck_publish_kafka_version (
    consumer text NOT NULL,
    topic text NOT NULL,
    digest uuid NOT NULL,
    version text NOT NULL,
    PRIMARY KEY (consumer, topic, digest)
) WITH (fillfactor = 70);
