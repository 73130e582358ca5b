-- What a value was computed from, key by key, beside what its product declares.
CREATE TABLE kck_publish_edge (
    digest uuid NOT NULL,
    fingerprint text NOT NULL COLLATE "C",
    key text NOT NULL,
    read uuid NOT NULL,
    read_key text NOT NULL,
    read_product text NOT NULL COLLATE "C",
    PRIMARY KEY (digest, fingerprint, read),
    FOREIGN KEY (digest, fingerprint) REFERENCES kck_publish_entry ON DELETE CASCADE
);
CREATE INDEX kck_publish_edge_read ON kck_publish_edge (read);
CREATE INDEX kck_publish_edge_product ON kck_publish_edge (read_product);
