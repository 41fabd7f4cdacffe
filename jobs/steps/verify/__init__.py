"""The proof of an index, on demand."""
