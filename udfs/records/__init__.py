"""Record files (claims, links): bytes to records, each with its place, values as text, and what is wrong with it."""
