#!/usr/bin/env python3
"""Checks a home of the loop tests: everything is booked, exactly once and whole.

usage: check_home.py BILAG HOME

Lets the work finish (`bilag run` must exit 0), then reads the journal with an own small reader: every expected
voucher stands in it once, sums to zero, has its postings and moves the payout to the account in transit. A further run
must post nothing, `bilag replay` must find the same vouchers, and hledger, where installed, must accept the journal.
Prints every violation and exits 1 if there is one.
"""

import json
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

IN_TRANSIT = "1909"
TIMEOUT_SECONDS = 600
# What may stand at the left margin of a journal beside transactions and comments.
DIRECTIVES = ("account", "commodity", "decimal-mark", "D", "P", "include", "payee", "tag")
HEAD = re.compile(r"^(\d{4}-\d{2}-\d{2}) [*!] \(([^)]+)\)(.*)$")
POSTING = re.compile(r"^\s+(\S+(?: \S+)*)\s{2,}(-?[0-9]+(?:\.[0-9]+)?) ([A-Z]{3})\s*(?:;.*)?$")


class Transaction:
    """One transaction of the journal; amounts are debit positive."""

    def __init__(self, line, on, reference, rest):
        self.line = line
        self.on = on
        self.reference = reference
        self.tagged = f"ref:{reference}" in re.split(r"[\s,;]+", rest)
        self.postings = []


def read_journal(path):
    """The transactions of a journal and what is wrong with its form."""
    text = path.read_text(encoding="utf-8")
    problems = []
    transactions = []
    current = None
    in_directive = False
    for number, line in enumerate(text.split("\n"), start=1):
        head = HEAD.match(line)
        if head:
            current = Transaction(number, *head.groups())
            transactions.append(current)
            in_directive = False
        elif not line.strip():
            current = None
            in_directive = False
        elif line[0] in ";#*" or line.lstrip()[0] == ";":
            if current and "ref:" in line:
                current.tagged |= f"ref:{current.reference}" in re.split(r"[\s,;]+", line)
        elif line[0].isspace():
            posting = POSTING.match(line)
            if current and posting:
                account, amount, currency = posting.groups()
                current.postings.append((account, Decimal(amount), currency))
            elif not in_directive:
                problems.append(f"line {number} is torn or of unknown form: {line!r}")
        elif line.split()[0] in DIRECTIVES:
            current = None
            in_directive = True
        else:
            problems.append(f"line {number} is torn or of unknown form: {line!r}")
    if text and not text.endswith("\n"):
        problems.append("the journal ends in the middle of a line")
    return transactions, problems


def compare(transactions, expected):
    """What differs between the journal and what it must hold."""
    problems = []
    found = {}
    for transaction in transactions:
        found.setdefault(transaction.reference, []).append(transaction)
    for voucher in expected:
        reference = voucher["reference"]
        twins = found.pop(reference, [])
        if len(twins) != 1:
            lines = ", ".join(str(twin.line) for twin in twins)
            problems.append(f"{reference} stands {len(twins)} times in the journal ({lines or 'nowhere'})")
        for twin in twins:
            at = f"{reference} at line {twin.line}"
            if sum(amount for _, amount, _ in twin.postings) != 0:
                problems.append(f"{at} does not sum to zero")
            if len(twin.postings) != voucher["postings"]:
                problems.append(f"{at} has {len(twin.postings)} postings, not {voucher['postings']}")
            if not twin.tagged:
                problems.append(f"{at} lacks the tag ref:{reference}")
            transit = sum(amount for account, amount, _ in twin.postings if account == IN_TRANSIT)
            if transit != Decimal(voucher["payout"]):
                problems.append(f"{at} moves {transit} to {IN_TRANSIT}, the payout is {voucher['payout']}")
            if any(currency != "NOK" for _, _, currency in twin.postings):
                problems.append(f"{at} has a currency that is not NOK")
    problems.extend(f"{reference} is in the journal but was never expected" for reference in found)
    return problems


def run(*command):
    """Exit code, stdout and stderr of a command."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "time-out", "", f"no end after {TIMEOUT_SECONDS} s"
    return done.returncode, done.stdout, done.stderr


def refused(name, answer):
    """A violation if the command did not exit 0."""
    code, out, err = answer
    tail = (err or out).strip()[-400:]
    return [] if code == 0 else [f"{name} exited {code}: {tail}"]


def nothing_posted(out):
    """A violation if the summary of a run says that it did something."""
    summaries = []
    for line in out.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            return [f"a line of the output is not JSON: {line[:200]!r}"]
        if message.get("type") == "summary":
            summaries.append(message)
    if len(summaries) != 1:
        return [f"the run printed {len(summaries)} summaries"]
    counts = {name: summaries[0].get(name) for name in ("posted", "held", "unknown", "waiting")}
    return [] if all(count == 0 for count in counts.values()) else [f"a run after the last one says {counts}"]


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    bilag, home = arguments
    expected = json.loads(Path(f"{home}.expected.json").read_text(encoding="utf-8"))
    journal = Path(home, "out", "loop", "journal.hledger")

    problems = refused("the run that finishes the work", run(bilag, "run", home, "--json"))
    if journal.is_file():
        transactions, torn = read_journal(journal)
        problems += torn + compare(transactions, expected)
        before = journal.read_bytes()
        again = run(bilag, "run", home, "--json")
        problems += refused("a further run", again) or nothing_posted(again[1])
        problems += refused("replay", run(bilag, "replay", home))
        if journal.read_bytes() != before:
            problems.append("the further run or replay changed the journal")
        if shutil.which("hledger"):
            problems += refused("hledger check", run("hledger", "-s", "-f", str(journal), "check"))
    else:
        problems.append(f"{journal} does not exist")
    for problem in problems[:20]:
        print(f"violation: {problem}")
    if len(problems) > 20:
        print(f"violation: and {len(problems) - 20} more")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
