"""The vector index: its protocol and its stores."""
