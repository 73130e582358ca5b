-- Which of the values in a cache are of this database: those under names of this generation, which
-- began in this cluster, on this timeline.
CREATE TABLE kck_publish_generation (
    cache text PRIMARY KEY,
    generation text NOT NULL,
    cluster text NOT NULL
);
