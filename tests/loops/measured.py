#!/usr/bin/env python3
"""Runs a command, kills it after some time if it is still at work, and prints its exit code and peak memory in kB.

usage: measured.py SECONDS COMMAND...

SECONDS 0 waits for its end. A killed command has the exit code 137. Its output goes to standard error.
"""

import resource
import subprocess
import sys


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    seconds = float(sys.argv[1])
    process = subprocess.Popen(sys.argv[2:], stdout=sys.stderr)
    try:
        code = process.wait(seconds or None)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    print(128 - code if code < 0 else code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


main()
