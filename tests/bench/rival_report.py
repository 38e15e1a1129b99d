#!/usr/bin/env python3
"""What bilag does for one Stripe report, as a careful Python script with the standard library: the rival of the bench.

usage: rival_report.py REPORT.csv

Reads an itemized payout reconciliation, checks every row, groups by payout and currency, gives each row its day in
Oslo, turns rows into voucher lines, proves that the payout adds up and that debit equals credit, and prints one JSON
object per payout. Amounts are exact decimals, debit positive. "seconds" and "cpu_seconds" are the time for reading and
for the work, without the start of the interpreter.
"""

import csv
import json
import sys
from datetime import datetime, timezone
from decimal import Decimal, Inexact, getcontext
from operator import itemgetter
from time import perf_counter, process_time
from zoneinfo import ZoneInfo

COLUMNS = ("automatic_payout_id", "created_utc", "currency", "gross", "fee", "net", "reporting_category")

# Category to the kind of its gross; rows that are themselves a fee have no gross. A reserve's kind follows its sign.
KINDS = {
    "charge": "sale",
    "refund": "refund",
    "partial_capture_reversal": "refund",
    "charge_failure": "refund",
    "refund_failure": "refund-reversal",
    "dispute": "chargeback",
    "dispute_reversal": "chargeback-reversal",
    "fee": "fee",
    "stripe_fee": "fee",
    "network_cost": "fee",
    "tax": "fee-vat",
    "risk_reserved_funds": "hold",
    "payout": "payout",
}

ACCOUNTS = {
    "sale": "1579",
    "refund": "1579",
    "refund-reversal": "1579",
    "chargeback": "1575",
    "chargeback-reversal": "1575",
    "fee": "7770",
    "fee-refund": "7770",
    "fee-vat": "2711",
    "hold": "1576",
    "hold-release": "1576",
    "payout": "1909",
}

ZERO = Decimal(0)
OSLO = ZoneInfo("Europe/Oslo")


class Refused(Exception):
    """Why a report cannot be booked."""


class Payout:
    """Running sums of one payout; rows are folded in and forgotten."""

    __slots__ = ("rows", "sums", "payouts", "on", "days")

    def __init__(self):
        self.rows = 0
        # Kind to what it moves, seen from the merchant: a fee is negative.
        self.sums = dict.fromkeys(ACCOUNTS, ZERO)
        self.payouts = 0
        self.on = None
        self.days = set()


def day_of(hour):
    """The day in Oslo of `YYYY-MM-DD HH` in UTC; Oslo is always whole hours ahead, so minutes do not matter."""
    instant = datetime.strptime(hour, "%Y-%m-%d %H").replace(tzinfo=timezone.utc)
    return instant.astimezone(OSLO).date().isoformat()


def read(path):
    """The sums of each payout of a report, by (payout, currency)."""
    payouts = {}
    days = {}
    kinds = KINDS
    decimal = Decimal
    zero = ZERO
    last_hour = last_name = last_currency = payout = sums = None
    with open(path, encoding="utf-8", newline="") as report:
        rows = csv.reader(report)
        header = next(rows, None)
        if not header:
            raise Refused("the file is empty")
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise Refused(f"the header lacks {', '.join(missing)}")
        width = len(header)
        pick = itemgetter(*map(header.index, COLUMNS))
        number = begun = 1
        for number, row in enumerate(rows, start=2):
            if len(row) != width:
                raise Refused(f"row {number} has {len(row)} fields, not {width}")
            name, created, currency, gross, fee, net, category = pick(row)
            gross = decimal(gross)
            fee = decimal(fee)
            if decimal(net) != gross - fee:
                raise Refused(f"row {number}: net {net} is not gross {gross} less fee {fee}")
            kind = kinds.get(category)
            if kind is None:
                raise Refused(f"row {number}: the category {category!r} is unknown")

            # Neighbours mostly share the payout and the hour, so what hangs on these is done when they change.
            if name != last_name or currency != last_currency:
                if payout is not None:
                    payout.rows += number - begun
                begun = number
                last_name, last_currency, last_hour = name, currency, None
                payout = payouts.get((name, currency))
                if payout is None:
                    payout = payouts[name, currency] = Payout()
                sums = payout.sums
            hour = created[:13]
            if hour != last_hour:
                last_hour = hour
                day = days.get(hour)
                if day is None:
                    day = days[hour] = day_of(hour)
                payout.days.add(day)

            if kind == "hold":
                if gross > zero:
                    kind = "hold-release"
            elif kind == "fee":
                if gross > zero:
                    kind = "fee-refund"
            elif kind == "payout":
                payout.payouts += 1
                payout.on = day
            sums[kind] += gross
            if fee:
                sums["fee" if fee > zero else "fee-refund"] -= fee
        if payout is not None:
            payout.rows += number + 1 - begun
    return payouts


def voucher(name, payout):
    """The balanced voucher lines of a payout, as [account, amount, kind]."""
    if payout.payouts != 1:
        raise Refused(f"{name}: {payout.payouts} payout rows where one is expected")
    # Each row's net is its gross less its fee, so that the net of all rows is the sum of what they moved.
    net = sum(payout.sums.values(), ZERO)
    if net != 0:
        raise Refused(f"{name}: the rows come to {net} with the payout's own, not to 0")
    lines = sorted((ACCOUNTS[kind], kind, -amount) for kind, amount in payout.sums.items() if amount)
    debit = sum((amount for _, _, amount in lines if amount > 0), ZERO)
    credit = -sum((amount for _, _, amount in lines if amount < 0), ZERO)
    if debit != credit:
        raise Refused(f"{name}: debit {debit} is not credit {credit}")
    for _, kind, amount in lines:
        if amount.as_tuple().exponent < -2:
            raise Refused(f"{name}: {kind} has parts of an øre")
    return [[account, f"{amount:.2f}", kind] for account, kind, amount in lines]


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    # Sums must be exact or fail.
    getcontext().traps[Inexact] = True
    begin, begin_cpu = perf_counter(), process_time()
    try:
        booked = [
            {"payout": name, "on": payout.on, "rows": payout.rows, "lines": voucher(name, payout)}
            for (name, _), payout in read(arguments[0]).items()
            if name
        ]
    except (Refused, ArithmeticError, ValueError) as error:
        sys.exit(f"{arguments[0]}: {error!r}")
    times = {
        "seconds": round(perf_counter() - begin, 6),
        "cpu_seconds": round(process_time() - begin_cpu, 6),
    }
    for answer in booked:
        print(json.dumps(answer | times, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
