"""A worker that Spark lets go ends without a traceback; the daemon is run as Spark runs it, without Spark."""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

import pytest

ENVIRONMENT = {
    "PYTHON_UNIX_DOMAIN_ENABLED": "true",
    "SPARK_REUSE_WORKER": "1",
    "PYTHON_DAEMON_KILL_WORKER_ON_FLUSH_FAILURE": "1",
}


def errors_of_an_idle_worker(module):
    """Start a daemon, let it fork a worker, hang up on that, end the daemon; gives what was said on standard error."""
    command = [sys.executable, "-m", module, "pyspark.worker"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    # A folder with a short name: a socket's path has 108 bytes at most.
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **ENVIRONMENT, "PYTHON_WORKER_FACTORY_SOCK_DIR": folder}
        with subprocess.Popen(command, env=environment, **pipes) as daemon:
            length = struct.unpack("!i", daemon.stdout.read(4))[0]
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(daemon.stdout.read(length).decode())
                worker = struct.unpack("!i", connection.recv(4))[0]
                os.kill(worker, 0)
            deadline = time.monotonic() + 60
            while is_running(worker) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not is_running(worker)
            # Standard input is closed, as Spark does at the end.
            return daemon.communicate(timeout=60)[1].decode()


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("module", "traces"), [("udfs.functions.worker_daemon", 0), ("pyspark.daemon", 1)], ids=["ours", "PySpark's"]
)
def test_an_idle_worker_leaves_without_a_word(module, traces):
    errors = errors_of_an_idle_worker(module)
    assert errors.count("BrokenPipeError") == traces, errors
    assert traces or errors == ""
