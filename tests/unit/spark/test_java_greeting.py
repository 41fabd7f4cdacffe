"""Java's greeting is kept off standard error; everything else that Java says arrives, during its start and after."""

import subprocess
import sys

SCRIPT = """
import subprocess
from jobs.spark.java_greeting import java_starts_silently

with java_starts_silently():
    # Stands for Java: it greets, it warns, and it lives on after the session has started.
    java = subprocess.Popen(["sh", "-c", "cat >&2 <<EOF\\nWARNING: Using incubator modules: jdk.incubator.vector\\n"
                             "a warning\\nEOF\\nread line; echo an error of later >&2"], stdin=subprocess.PIPE)
subprocess.run(["sh", "-c", "echo another process >&2"], check=True)
java.communicate(b"go on\\n")
"""


def test_only_the_greeting_is_dropped():
    code = SCRIPT + "import time; time.sleep(0.5)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(run.stderr.splitlines()) == ["a warning", "an error of later", "another process"]
