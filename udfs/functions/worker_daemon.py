"""PySpark's daemon, with workers that leave without a word when Spark lets them go.

Spark hangs up on a worker that was idle for a minute. PySpark's own worker takes that for a broken task and tries to
tell Spark so, which over a Unix socket fails at once: a BrokenPipeError with traceback for each idle worker. Spark
starts this module instead where `spark.python.daemon.module` names it.
"""

import os
import socket

from pyspark import daemon

_serve = daemon.worker


def serve_until_hung_up(sock: socket.socket, authenticated: bool) -> int:
    """Serve one task; ends the process when Spark has hung up instead of sending one. Returns its exit code."""
    if not sock.recv(1, socket.MSG_PEEK):
        os._exit(0)
    return int(_serve(sock, authenticated))


if __name__ == "__main__":
    daemon.worker = serve_until_hung_up
    daemon.manager()
