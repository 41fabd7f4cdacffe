"""Processes that decode photos in place of the one that asks: what a decoder crashes, hangs or fills is theirs alone.

    pool.py     in the process that asks: hands out photos, says what became of each
    server.py   one process that has everything imported, and is forked
    decoder.py  its forks: one photo after the other, under a clock and a limit on memory
    wire.py     what goes between them

Kept libraries do not: multiprocessing's fork server imports the main module of whoever asks (in a Spark worker, all of
PySpark), loky starts a new Python for each process, and neither bounds what one piece of work may take.
"""
