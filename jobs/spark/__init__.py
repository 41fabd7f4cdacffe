"""The one session builder, and Delta's jars."""
