"""The script for spark-submit: a job's name and its options, as on the command line.

spark-submit --py-files claimlens.zip submit.py embed --config databricks
"""

import sys

from jobs.console.command_line import run_command_line

if __name__ == "__main__":
    sys.exit(run_command_line(sys.argv[1:]))
