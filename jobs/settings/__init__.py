"""The one settings object, its sections, and the layers that it is read from."""
