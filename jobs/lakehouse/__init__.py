"""The one seam to storage: table contracts, idempotent writes and the change feed."""
