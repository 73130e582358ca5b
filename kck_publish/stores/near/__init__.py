"""The near store: an LMDB file per host, its format, writer, reader and journal."""
