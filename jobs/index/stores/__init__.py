"""Where an index can be kept; one file a store."""
