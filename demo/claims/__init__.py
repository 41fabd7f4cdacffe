"""The demo's claims: what happened, in words, and the files that hold it."""
