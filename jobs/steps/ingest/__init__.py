"""The steps of ingest: finding files, sanitising photos, reading claims, linking the two."""
