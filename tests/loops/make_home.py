#!/usr/bin/env python3
"""Makes a home for the loop tests: one company, one Stripe connection, many small payouts.

usage: make_home.py HOME [SETTLEMENTS [FILES [SEED]]]

Writes HOME/config/loop.toml and HOME/inbox/loop/shop/*.csv, and beside the home, as HOME.expected.json, what its
journal must hold when everything is booked. The same arguments always give the same bytes.
"""

import csv
import json
import random
import sys
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

CONFIG = """\
[company]
id = "loop"
name = "Loop AS"
org_no = "999888777"
country = "NO"
currency = "NOK"
time_zone = "Europe/Oslo"

[accounting]
system = "journal"
post = "booked"

[connections.shop]
provider = "stripe"
account = "acct_loop"
start_on = 2026-01-01
book = "clearing"

[accounts]
sales_clearing = "1579"
provider_balance = "1570"
in_transit = "1909"
provider_fee = { account = "7770", vat = "none" }
"""

HEADER = [
    "automatic_payout_id", "automatic_payout_effective_at_utc", "balance_transaction_id", "created_utc", "created",
    "available_on_utc", "currency", "gross", "fee", "net", "reporting_category", "source_id", "description",
    "charge_id", "payment_method_type",
]

CENT = Decimal("0.01")
TIME = "%Y-%m-%d %H:%M:%S"


def payout_rows(chance, number):
    """The rows of one payout, its own row last, and what its voucher must show."""
    payout = f"po_Loop{number:06d}"
    paid = datetime(2026, 1, 5, 4, 0, 0) + timedelta(minutes=15 * number)
    sales = chance.randint(6, 10)
    refunds = chance.randint(0, 2)
    rows = []
    total = Decimal(0)
    for index in range(sales + refunds):
        created = paid - timedelta(days=3) + timedelta(minutes=index)
        name = f"Loop{number:06d}{index:02d}"
        if index < sales:
            gross = Decimal(chance.randint(20_000, 400_000)) / 100
            fee = (gross * Decimal("0.014") + Decimal("1.80")).quantize(CENT, ROUND_HALF_UP)
            category, source, text = "charge", f"ch_{name}", f"Order {number}-{index}"
        else:
            gross, fee = -Decimal(chance.randint(1_000, 15_000)) / 100, Decimal(0)
            category, source, text = "refund", f"re_{name}", f"Refund {number}-{index}"
        total += gross - fee
        rows.append(row(payout, paid, f"txn_{name}", created, gross, fee, category, source, text))
    rows.append(row(payout, paid, f"txn_Loop{number:06d}po", paid, -total, Decimal(0), "payout", payout, "PAYOUT"))
    # One line for sales, one for fees, one for the money in transit, and one for refunds if there are any.
    expected = {"reference": f"stripe:{payout}", "payout": f"{total:.2f}", "postings": 4 if refunds else 3}
    return rows, expected


def row(payout, paid, name, created, gross, fee, category, source, text):
    """One row of the report, as text."""
    effective = (paid + timedelta(days=2)).strftime("%Y-%m-%d 00:00:00")
    utc = created.strftime(TIME)
    local = (created + timedelta(hours=1)).strftime(TIME)
    charge = source if category == "charge" else ""
    return [
        payout, effective, name, utc, local, effective, "nok", f"{gross:.2f}", f"{fee:.2f}", f"{gross - fee:.2f}",
        category, source, text, charge, "card" if charge else "",
    ]


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    home = Path(arguments[0])
    settlements = int(arguments[1]) if len(arguments) > 1 else 200
    files = int(arguments[2]) if len(arguments) > 2 else 4
    chance = random.Random(int(arguments[3]) if len(arguments) > 3 else 1)
    inbox = home / "inbox" / "loop" / "shop"
    inbox.mkdir(parents=True)
    (home / "config").mkdir()
    (home / "config" / "loop.toml").write_text(CONFIG, encoding="utf-8")
    expected = []
    for file in range(files):
        with open(inbox / f"payouts-{file + 1}.csv", "w", encoding="utf-8", newline="") as report:
            writer = csv.writer(report, lineterminator="\n")
            writer.writerow(HEADER)
            for number in range(file * settlements // files, (file + 1) * settlements // files):
                rows, voucher = payout_rows(chance, number)
                writer.writerows(rows)
                expected.append(voucher)
    Path(f"{home}.expected.json").write_text(json.dumps(expected, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
