DROP TABLE kck_publish_generation;
