#!/usr/bin/env python3
"""Compares what the simulated accounting system holds with what the simulated providers paid out.

usage: check_sandbox.py BASE [--partial]

Every sound payout must be one voucher whose lines sum to the truth, account by account; every payout that came back one
voucher more. With --partial some may be missing yet, but none may stand twice or wrong. Prints what is missing.
"""

import json
import sys
import urllib.request
from collections import defaultdict
from decimal import Decimal

# The accounts of the roles in the sandbox's home, by provider.
ROLES = {
    "disputed": "1576", "fee_vat": "2711", "held_by_provider": "1575", "own_transfer": "1960",
    "provider_loan": "2280", "other_income": "3990", "other_expense": "7790", "in_transit": "1909",
    "provider_fee": "7770",
}
OWN = {
    "stripe": {"sales_clearing": "1579", "provider_balance": "1570"},
    "vipps-mobilepay": {"sales_clearing": "1578", "provider_balance": "1571"},
}


def get(base, path):
    with urllib.request.urlopen(base + path, timeout=30) as answer:
        return json.load(answer, parse_float=Decimal)


def main():
    base, partial = sys.argv[1].rstrip("/"), "--partial" in sys.argv
    payouts = get(base, "/sandbox/payouts")["payouts"]
    booked = get(base, "/sandbox/vouchers")
    vouchers = defaultdict(list)
    for voucher in booked["vouchers"]:
        vouchers[voucher["externalVoucherNumber"]].append(voucher)
    wrong, missing, right, documents = [], [], 0, 0
    for reference, found in sorted(vouchers.items()):
        if len(found) > 1:
            wrong.append(f"{reference} stands {len(found)} times")
    expected = {}
    for payout in payouts:
        if payout["soundness"] != "sound":
            continue
        accounts = {**ROLES, **OWN[payout["provider"]]}
        lines = defaultdict(Decimal)
        for role, amount in payout["postings"].items():
            lines[accounts[role]] += Decimal(amount)
        expected[payout["settlement"]] = lines
    known = {payout["settlement"] for payout in payouts if payout["soundness"] != "sound"}
    for reference in vouchers:
        settlement = reference.removesuffix(":payout-reversal")
        if settlement in known:
            wrong.append(f"{reference} is unsound and booked")
        elif settlement not in expected:
            wrong.append(f"{reference} is no payout")
    for settlement, lines in expected.items():
        found = vouchers.get(settlement)
        if not found:
            missing.append(settlement)
            continue
        sums = defaultdict(Decimal)
        for voucher in found[:1]:
            for posting in voucher["postings"]:
                sums[str(posting["account"])] += Decimal(str(posting["gross"]))
            documents += min(1, voucher["attachments"])
            if voucher["attachments"] > 1:
                wrong.append(f"{settlement} has {voucher['attachments']} documents")
        same = {a: s for a, s in sums.items() if s} == {a: s for a, s in lines.items() if s}
        if same:
            right += 1
        else:
            wrong.append(f"{settlement} is {dict(sums)}, should be {dict(lines)}")
    returned = sum(1 for payout in payouts if payout["soundness"] == "sound" and payout["reversals"])
    reversals = sum(1 for reference in vouchers if reference.endswith(":payout-reversal"))
    if reversals > returned:
        wrong.append(f"{reversals} vouchers of payouts that came back, {returned} came back")
    missing += ["a payout that came back"] * (returned - reversals)
    for text in wrong:
        print(f"WRONG: {text}")
    print(f"{right} right vouchers of {len(expected)}, {documents} documents, {len(missing)} missing")
    if wrong:
        sys.exit(2)
    sys.exit(1 if missing or documents < right else 0)


main()
