#!/usr/bin/env python3
"""What bilag does for one Stripe payout by API, as a careful Python script with the standard library: the rival of the
bench.

usage: rival_pages.py PAGES

Reads what `generate.py ROWS pages` wrote: the payout, then the pages of its balance transactions, each after a line with
its number of bytes. Checks every row, gives each its day in Oslo, turns rows into voucher lines with the VAT that fees
state, proves that the rows come to the payout and that debit equals credit, and prints one JSON object. Amounts are
whole øre until the end, debit positive. "seconds" and "cpu_seconds" are the time for reading and for the work, without
the start of the interpreter.
"""

import json
import sys
from datetime import datetime
from time import perf_counter, process_time
from zoneinfo import ZoneInfo

from rival_report import ACCOUNTS, KINDS, Refused

OSLO = ZoneInfo("Europe/Oslo")

# A zone's offset changes only at whole quarters of an hour.
QUARTER = 900


def answers(path):
    """The bodies of a file of answers."""
    with open(path, "rb") as file:
        while line := file.readline():
            size = int(line)
            body = file.read(size)
            if len(body) != size:
                raise Refused("the last answer is cut off")
            yield body


class Payout:
    """Running sums of one payout; pages are folded in and forgotten."""

    def __init__(self, payout):
        self.payout = payout
        self.rows = 0
        # Kind to what it moves in øre, seen from the merchant: a fee is negative.
        self.sums = dict.fromkeys(ACCOUNTS, 0)
        self.own = None
        self.on = None
        self.days = {}
        self.last = frozenset()

    def fold(self, page):
        """Takes one page; whether more follow."""
        kinds, sums, days = KINDS, self.sums, self.days
        currency = self.payout["currency"]
        seen = set()
        for row in page["data"]:
            name, amount, fee = row["id"], row["amount"], row["fee"]
            if type(amount) is not int or type(fee) is not int:
                raise Refused(f"{name}: amounts are no whole numbers")
            if row["net"] != amount - fee:
                raise Refused(f"{name}: net {row['net']} is not amount {amount} less fee {fee}")
            if row["currency"] != currency:
                raise Refused(f"{name}: the row is in {row['currency']}, the payout in {currency}")
            if name in seen or name in self.last:
                raise Refused(f"{name}: the row comes twice")
            seen.add(name)
            vat = stated = 0
            for detail in row["fee_details"]:
                stated += detail["amount"]
                if detail["type"] == "tax":
                    vat += detail["amount"]
            if stated != fee:
                raise Refused(f"{name}: fee_details add up to {stated}, the fee is {fee}")
            kind = kinds.get(row["reporting_category"])
            if kind is None:
                raise Refused(f"{name}: the category {row['reporting_category']!r} is unknown")
            quarter = row["created"] // QUARTER
            day = days.get(quarter)
            if day is None:
                day = days[quarter] = datetime.fromtimestamp(row["created"], OSLO).date().isoformat()
            source = row["source"]
            if kind == "hold":
                if amount > 0:
                    kind = "hold-release"
            elif kind == "fee":
                if amount > 0:
                    kind = "fee-refund"
            elif kind == "payout":
                if self.own is not None or (source["id"] if isinstance(source, dict) else source) != self.payout["id"]:
                    raise Refused(f"{name}: is not the payout's own row")
                self.own, self.on = row, day
            sums[kind] += amount
            if fee:
                sums["fee" if fee > 0 else "fee-refund"] -= fee - vat
                sums["fee-vat"] -= vat
        self.rows += len(seen)
        self.last = seen
        if page["has_more"] and not seen:
            raise Refused("a page is empty, but more are said to follow")
        return page["has_more"]

    def voucher(self):
        """The balanced voucher lines, as [account, amount, kind]."""
        payout, own = self.payout, self.own
        if own is None or own["id"] != payout["balance_transaction"] or own["amount"] != -payout["amount"]:
            raise Refused(f"{payout['id']}: its own row is missing or another")
        net = sum(self.sums.values())
        if net != 0:
            raise Refused(f"{payout['id']}: the rows come to {net} with the payout's own, not to 0")
        lines = sorted((ACCOUNTS[kind], kind, -amount) for kind, amount in self.sums.items() if amount)
        debit = sum(amount for _, _, amount in lines if amount > 0)
        credit = -sum(amount for _, _, amount in lines if amount < 0)
        if debit != credit:
            raise Refused(f"{payout['id']}: debit {debit} is not credit {credit}")
        return [[account, major(amount), kind] for account, kind, amount in lines]


def major(minor):
    """An amount in øre as decimal text in kroner."""
    kroner, rest = divmod(abs(minor), 100)
    return f"{'-' if minor < 0 else ''}{kroner}.{rest:02d}"


def read(path):
    """The payout of a file of answers, all rows folded in."""
    bodies = answers(path)
    payout = Payout(json.loads(next(bodies)))
    more = True
    for body in bodies:
        if not more:
            raise Refused("a page follows the last")
        more = payout.fold(json.loads(body))
    if more:
        raise Refused("the last page says that more follow")
    return payout


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    begin, begin_cpu = perf_counter(), process_time()
    try:
        payout = read(arguments[0])
        lines = payout.voucher()
    except (Refused, KeyError, TypeError, ValueError) as error:
        sys.exit(f"{arguments[0]}: {error!r}")
    seconds, cpu_seconds = perf_counter() - begin, process_time() - begin_cpu
    print(json.dumps({
        "payout": payout.payout["id"], "on": payout.on, "rows": payout.rows, "lines": lines,
        "seconds": round(seconds, 6), "cpu_seconds": round(cpu_seconds, 6),
    }))


if __name__ == "__main__":
    main(sys.argv[1:])
