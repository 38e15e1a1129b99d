#!/usr/bin/env python3
"""Writes a report of one large payout to standard output.

usage: generate.py ROWS [stripe]

ROWS counts every row, the payout's own included, which comes last. Of a hundred rows 90 are sales, 6 refunds, 2 fees,
1 VAT on fees; of a thousand 5 are disputes (a fifth of them won back) and 5 reserves kept or released. The rows spread
over seven days across a month's end, oldest first. The same number of rows always gives the same bytes.
"""

import random
import sys
from datetime import date, timedelta

HEADER = (
    "automatic_payout_id,automatic_payout_effective_at,balance_transaction_id,created_utc,created,available_on_utc,"
    "available_on,currency,gross,fee,net,reporting_category,source_id,description,customer_facing_amount,"
    "customer_facing_currency,automatic_payout_effective_at_utc,charge_id,payment_intent_id,payment_method_type,"
    "card_brand,card_country,dispute_reason,trace_id,trace_id_status\n"
)
PAYOUT = "po_Bench0001"
FIRST_DAY = date(2026, 1, 26)
DAYS = 7
SECONDS = 86_400
EFFECTIVE = f"{FIRST_DAY + timedelta(days=DAYS + 2)} 00:00:00"
TRACE = "20260204BENCH0001,supported"
CHUNK_ROWS = 20_000


def major(minor):
    """An amount in øre as decimal text in kroner."""
    sign = "-" if minor < 0 else ""
    kroner, rest = divmod(abs(minor), 100)
    return f"{sign}{kroner}.{rest:02d}"


def stripe(rows, out):
    """Writes the itemized payout reconciliation of one payout."""
    chance = random.Random(rows)
    pick, between = chance.random, chance.randrange
    clock = [f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}" for second in range(SECONDS)]
    days = [(FIRST_DAY + timedelta(days=day)).isoformat() for day in range(DAYS + 4)]

    def at(second):
        return f"{days[second // SECONDS]} {clock[second % SECONDS]}"

    def times(second):
        # Created and available in UTC and in Oslo, which is one hour ahead in these days.
        utc, local = at(second), at(second + 3600)
        return f"{utc},{local},{at(second + 2 * SECONDS)},{at(second + 2 * SECONDS + 3600)}"

    out.write(HEADER)
    head = f"{PAYOUT},{EFFECTIVE},txn_Bench"
    total = reserved = 0
    won = 0
    step = (DAYS * SECONDS - 3600) / max(rows, 1)
    chunk = []
    for number in range(rows - 1):
        what = pick()
        gross = between(2_000, 250_000)
        fee = 0
        charge = intent = method = brand = country = reason = facing = ""
        if what < 0.90:
            fee = (gross * 14 + 180_000 + 500) // 1000
            category, source, text = "charge", f"ch_Bench{number:08d}", f"Order {number}"
            facing = f"{major(gross)},nok"
            charge, intent = source, f"pi_Bench{number:08d}"
            method, brand, country = "card", "visa" if number % 3 else "mastercard", "NO" if number % 7 else "SE"
        elif what < 0.96:
            gross = -gross // 2
            category, source, text = "refund", f"re_Bench{number:08d}", f"Refund {number}"
            charge, method = f"ch_Bench{number // 2:08d}", "card"
        elif what < 0.98:
            gross = -between(100, 20_000)
            category, source, text = "fee", "", "Radar"
        elif what < 0.99:
            gross = -between(25, 5_000)
            category, source, text = "tax", "", "VAT on fees"
        elif what < 0.995:
            won = (won + 1) % 5
            fee = 15_000 if won else -15_000
            gross = -gross if won else gross
            category = "dispute" if won else "dispute_reversal"
            source, text, reason = f"du_Bench{number:08d}", f"Dispute {number}", "fraudulent"
            charge, method = f"ch_Bench{number // 2:08d}", "card"
        else:
            # Released in full as soon as something is held.
            gross, reserved = (reserved, 0) if reserved else (-gross, gross)
            category, source, text = "risk_reserved_funds", "", "Reserve"
        total += gross - fee
        chunk.append(
            f"{head}{number:08d},{times(int(number * step))},nok,{major(gross)},{major(fee)},{major(gross - fee)},"
            f"{category},{source},{text},{facing or ','},{EFFECTIVE},{charge},{intent},{method},{brand},{country},"
            f"{reason},{TRACE}\n"
        )
        if len(chunk) == CHUNK_ROWS:
            out.write("".join(chunk))
            chunk.clear()
    out.write("".join(chunk))
    last = DAYS * SECONDS - 3601
    out.write(
        f"{head}{rows - 1:08d},{times(last)},nok,{major(-total)},0.00,{major(-total)},payout,{PAYOUT},STRIPE PAYOUT,,,"
        f"{EFFECTIVE},,,,,,,{TRACE}\n"
    )


def main(arguments):
    if not arguments or not arguments[0].isdigit() or int(arguments[0]) < 2 or arguments[1:] not in ([], ["stripe"]):
        sys.exit(__doc__)
    stripe(int(arguments[0]), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
