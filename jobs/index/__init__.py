"""The vector index: its protocol, its store, and the rows that the tables say it should hold."""
