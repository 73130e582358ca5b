BEGIN;
--
-- Create model Product
--
-- (no-op)
--
-- Create model StoredKey
--
-- (no-op)
--
-- Create model FailedKey
--
-- (no-op)
COMMIT;
