"""Search in the vector index: the question, its filters, the hits, and how they are shown."""
