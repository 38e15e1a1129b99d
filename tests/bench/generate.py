#!/usr/bin/env python3
"""Writes one large Stripe payout to standard output, as a report or as the pages that the API gives.

usage: generate.py ROWS [report|pages]

ROWS counts every row, the payout's own included. Of a hundred rows 90 are sales, 6 refunds, 2 fees, 1 VAT on fees; of a
thousand 5 are disputes (a fifth of them won back) and 5 reserves kept or released. The rows spread over seven days
across a month's end. The same number of rows always gives the same bytes, and report and pages have the same rows; in
pages the fee of every tenth sale states its VAT.

A report is the itemized payout reconciliation, oldest row first, the payout's own last. Pages are JSON as Stripe prints
it: the payout, then its balance transactions a hundred a page with their sources expanded, the payout's own first. Each
answer follows a line with its number of bytes.
"""

import random
import sys
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

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
PAGE_ROWS = 100
LAST = DAYS * SECONDS - 3601
FORMS = Path(__file__).with_name("forms")


def movements(rows):
    """Number, second, category, gross and fee of each row but the payout's own, oldest first; amounts in øre."""
    chance = random.Random(rows)
    pick, between = chance.random, chance.randrange
    step = (DAYS * SECONDS - 3600) / max(rows, 1)
    reserved = won = 0
    for number in range(rows - 1):
        what = pick()
        gross = between(2_000, 250_000)
        fee = 0
        if what < 0.90:
            fee = (gross * 14 + 180_000 + 500) // 1000
            category = "charge"
        elif what < 0.96:
            gross = -gross // 2
            category = "refund"
        elif what < 0.98:
            gross = -between(100, 20_000)
            category = "fee"
        elif what < 0.99:
            gross = -between(25, 5_000)
            category = "tax"
        elif what < 0.995:
            won = (won + 1) % 5
            fee = 15_000 if won else -15_000
            gross = -gross if won else gross
            category = "dispute" if won else "dispute_reversal"
        else:
            # Released in full as soon as something is held.
            gross, reserved = (reserved, 0) if reserved else (-gross, gross)
            category = "risk_reserved_funds"
        yield number, int(number * step), category, gross, fee


def major(minor):
    """An amount in øre as decimal text in kroner."""
    sign = "-" if minor < 0 else ""
    kroner, rest = divmod(abs(minor), 100)
    return f"{sign}{kroner}.{rest:02d}"


def report(rows, out):
    """Writes the itemized payout reconciliation of one payout."""
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
    total = 0
    chunk = []
    for number, second, category, gross, fee in movements(rows):
        charge = intent = method = brand = country = reason = facing = source = ""
        if category == "charge":
            source, text = f"ch_Bench{number:08d}", f"Order {number}"
            facing = f"{major(gross)},nok"
            charge, intent = source, f"pi_Bench{number:08d}"
            method, brand, country = "card", "visa" if number % 3 else "mastercard", "NO" if number % 7 else "SE"
        elif category == "refund":
            source, text = f"re_Bench{number:08d}", f"Refund {number}"
            charge, method = f"ch_Bench{number // 2:08d}", "card"
        elif category == "fee":
            text = "Radar"
        elif category == "tax":
            text = "VAT on fees"
        elif category == "risk_reserved_funds":
            text = "Reserve"
        else:
            source, text, reason = f"du_Bench{number:08d}", f"Dispute {number}", "fraudulent"
            charge, method = f"ch_Bench{number // 2:08d}", "card"
        total += gross - fee
        chunk.append(
            f"{head}{number:08d},{times(second)},nok,{major(gross)},{major(fee)},{major(gross - fee)},"
            f"{category},{source},{text},{facing or ','},{EFFECTIVE},{charge},{intent},{method},{brand},{country},"
            f"{reason},{TRACE}\n"
        )
        if len(chunk) == CHUNK_ROWS:
            out.write("".join(chunk))
            chunk.clear()
    out.write("".join(chunk))
    out.write(
        f"{head}{rows - 1:08d},{times(LAST)},nok,{major(-total)},0.00,{major(-total)},payout,{PAYOUT},STRIPE PAYOUT,,,"
        f"{EFFECTIVE},,,,,,,{TRACE}\n"
    )


def fee_details(number, category, fee):
    """The list of a row's fee details as Stripe prints it, VAT stated for every tenth sale."""
    if not fee:
        return "[]"
    vat = fee - fee * 100 // 125 if category == "charge" and number % 10 == 0 else 0
    detail = (
        '        {{\n          "amount": {},\n          "application": null,\n          "currency": "nok",\n'
        '          "description": "{}",\n          "type": "{}"\n        }}'
    )
    text = "Stripe processing fees" if category == "charge" else "Dispute fee"
    details = [detail.format(fee - vat, text, "stripe_fee")]
    if vat:
        details.append(detail.format(vat, "VAT", "tax"))
    return "[\n" + ",\n".join(details) + "\n      ]"


def form(name, depth):
    """An object as Stripe prints it, with places to fill in, as deep in an answer as it stands there."""
    text = (FORMS / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    return text.replace("\n", "\n" + " " * depth)


def pages(rows, out):
    """Writes the payout and the pages of its balance transactions."""
    forms = {name: form(name, depth) for name, depth in
             {"payout": 0, "row": 4, "charge": 6, "refund": 6, "dispute": 6}.items()}
    types = {"fee": "stripe_fee", "tax": "tax_fee", "dispute": "adjustment", "dispute_reversal": "adjustment",
             "risk_reserved_funds": "reserved_funds"}
    texts = {"fee": "Radar", "tax": "VAT on fees", "risk_reserved_funds": "Reserved funds"}
    begin = int(datetime.combine(FIRST_DAY, datetime.min.time(), timezone.utc).timestamp())

    def row(number, second, category, gross, fee):
        source, text = "null", texts.get(category, "")
        created = begin + second
        if category == "charge":
            text = f"Order {number}"
            source = forms["charge"] % {
                "number": f"{number:08d}", "amount": gross, "created": created, "text": text,
                "brand": "visa" if number % 3 else "mastercard", "country": "NO" if number % 7 else "SE",
                "last4": f"{number % 10_000:04d}", "score": number % 60,
            }
        elif category == "refund":
            text = f"REFUND FOR CHARGE (Order {number // 2})"
            source = forms["refund"] % {
                "number": f"{number:08d}", "of": f"{number // 2:08d}", "amount": -gross, "created": created,
            }
        elif category.startswith("dispute"):
            text = f"Chargeback for Order {number // 2}"
            source = forms["dispute"] % {
                "number": f"{number:08d}", "of": f"{number // 2:08d}", "amount": abs(gross), "created": created,
                "status": "won" if category == "dispute_reversal" else "needs_response",
            }
        elif category == "payout":
            source, text = payout.replace("\n", "\n      "), "STRIPE PAYOUT"
        return forms["row"] % {
            "number": f"{number:08d}", "amount": gross, "fee": fee, "net": gross - fee, "created": created,
            "available": created + 2 * SECONDS, "text": text, "category": category, "source": source,
            "type": types.get(category, category), "details": fee_details(number, category, fee),
        }

    def answer(text):
        body = text.encode()
        out.buffer.write(b"%d\n" % len(body))
        out.buffer.write(body)

    total = sum(gross - fee for _, _, _, gross, fee in movements(rows))
    payout = forms["payout"] % {
        "id": PAYOUT, "amount": total, "created": begin + LAST, "row": f"txn_3SkyBenchRow{rows - 1:08d}",
        "arrival": begin + (DAYS + 2) * SECONDS,
    }
    answer(payout + "\n")
    listed = movements(rows)
    for start in range(0, rows, PAGE_ROWS):
        page = [row(rows - 1, LAST, "payout", -total, 0)] if start == 0 else []
        page.extend(row(*movement) for movement in islice(listed, PAGE_ROWS - len(page)))
        more = "true" if start + PAGE_ROWS < rows else "false"
        data = ",\n".join(f"    {text}" for text in page)
        answer(f'{{\n  "object": "list",\n  "data": [\n{data}\n  ],\n  "has_more": {more},\n'
               '  "url": "/v1/balance_transactions"\n}\n')


def main(arguments):
    kinds = {"report": report, "pages": pages}
    if not arguments or not arguments[0].isdigit() or int(arguments[0]) < 2 or len(arguments) > 2:
        sys.exit(__doc__)
    kind = kinds.get(arguments[1] if len(arguments) == 2 else "report")
    if not kind:
        sys.exit(__doc__)
    kind(int(arguments[0]), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
