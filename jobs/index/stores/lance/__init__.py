"""The store `lance`: rows and vectors in one dataset per model."""
