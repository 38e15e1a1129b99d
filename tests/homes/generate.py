#!/usr/bin/env python3
"""Writes the inbox files of the demo homes beside this script, and what booking them must give.

usage: generate.py

Everything is invented and fixed by the seed: the same script always writes the same bytes. The expected figures are
computed here, by rules written down a second time and from the rows alone, so that they can witness against bilag.
"""

import csv
import io
import random
from collections import defaultdict
from datetime import date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

HERE = Path(__file__).resolve().parent
OSLO = ZoneInfo("Europe/Oslo")
CENT = Decimal("0.01")
ZERO = Decimal("0.00")
STAMP = "%Y-%m-%d %H:%M:%S"


def money(amount):
    """An amount rounded to whole øre, halves away from zero."""
    return Decimal(amount).quantize(CENT, ROUND_HALF_UP)


def local(text):
    """The moment of an Oslo wall-clock time like `2026-01-31 12:00`."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=OSLO)


def write_csv(path, header, records):
    """Writes a CSV file with LF line ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(records)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


# --- Stripe ------------------------------------------------------------------------------------------------------

STRIPE_HEADER = [
    "automatic_payout_id", "automatic_payout_effective_at", "balance_transaction_id", "created_utc", "created",
    "available_on_utc", "available_on", "currency", "gross", "fee", "net", "reporting_category", "source_id",
    "description", "customer_facing_amount", "customer_facing_currency", "automatic_payout_effective_at_utc",
    "charge_id", "payment_intent_id", "order_id", "payment_method_type", "card_brand", "card_country",
    "dispute_reason", "trace_id", "trace_id_status",
]
PLAN_COLUMN = "payment_metadata[plan]"

# The source id's first letters, by category.
SOURCES = {"charge": "ch", "refund": "re", "dispute": "du", "dispute_reversal": "du"}


class StripeRow:
    """One row of an itemized payout reconciliation."""

    def __init__(self, name, category, created, gross, fee=ZERO, **more):
        self.name = name
        self.category = category
        self.created = created
        self.gross = money(gross)
        self.fee = money(fee)
        self.payout = more.pop("payout", "")
        self.effective = more.pop("effective", None)
        self.source = more.pop("source", "")
        self.description = more.pop("description", "")
        self.charge = more.pop("charge", "")
        self.order = more.pop("order", "")
        self.method = more.pop("method", "")
        self.reason = more.pop("reason", "")
        self.plan = more.pop("plan", "")
        assert not more, more

    @property
    def net(self):
        return self.gross - self.fee

    @property
    def on(self):
        return self.created.astimezone(OSLO).date()

    def record(self, paid, plans):
        """The row as text; without its payout if `paid` says that the report was made before it."""
        utc = self.created.astimezone(timezone.utc)
        available = utc + timedelta(days=2)
        payout = self.payout if paid else ""
        effective = self.effective.strftime(STAMP) if paid and self.effective else ""
        card = self.method == "card"
        charged = self.category == "charge"
        trace = "20260000" + payout[-6:].upper() if payout else ""
        record = [
            payout, effective, self.name, utc.strftime(STAMP), self.created.astimezone(OSLO).strftime(STAMP),
            available.strftime(STAMP), available.astimezone(OSLO).strftime(STAMP), "nok", f"{self.gross:.2f}",
            f"{self.fee:.2f}", f"{self.net:.2f}", self.category, self.source, self.description,
            f"{self.gross:.2f}" if charged else "", "nok" if charged else "", effective, self.charge,
            self.charge.replace("ch_", "pi_"), self.order, self.method, "visa" if card else "", "NO" if card else "",
            self.reason, trace, "supported" if trace else "",
        ]
        return record + [self.plan] if plans else record


class StripeAccount:
    """Makes rows and payouts of one account, in the order of time."""

    def __init__(self, mark, seed, plans=False):
        self.mark = mark
        self.plans = plans
        self.chance = random.Random(seed)
        self.count = 0
        self.orders = 4100
        self.pending = []
        self.payouts = []
        self.by_order = {}

    def add(self, category, created, gross, fee=ZERO, **more):
        """Adds a row that waits for the next payout."""
        self.count += 1
        number = f"{self.mark}{self.count:04d}"
        if category in SOURCES and "source" not in more:
            more["source"] = f"{SOURCES[category]}_{number}"
        row = StripeRow(f"txn_{number}", category, created, gross, fee, **more)
        self.pending.append(row)
        return row

    def sale(self, created, gross, method="card", plan=""):
        """A sale with Stripe's fee for it: 1.4 % and 1.80."""
        self.orders += 1
        gross = money(gross)
        fee = money(gross * Decimal("0.014") + Decimal("1.80"))
        charge = f"ch_{self.mark}{self.count + 1:04d}"
        row = self.add("charge", created, gross, fee, source=charge, charge=charge, order=f"N-{self.orders}",
                       description=f"Order N-{self.orders}", method=method, plan=plan)
        self.by_order[row.order] = row
        return row

    def sales(self, day, count, low=19_900, high=249_900):
        """Some sales spread over a day."""
        rows = []
        for minute in sorted(self.chance.sample(range(8 * 60, 22 * 60), count)):
            created = datetime.combine(day, time(minute // 60, minute % 60, self.chance.randrange(60)), OSLO)
            rows.append(self.sale(created, Decimal(self.chance.randint(low, high)) / 100))
        return rows

    def refund(self, created, sale, amount):
        """A refund, whole or in part; Stripe keeps the fee."""
        return self.add("refund", created, -money(amount), charge=sale.charge, order=sale.order, method=sale.method,
                        description=f"Refund of order {sale.order}", plan=sale.plan)

    def fee_row(self, created, amount, text):
        """A fee that belongs to no payment: its amount is gross, its fee column 0."""
        return self.add("fee", created, -money(amount), description=text)

    def tax_row(self, created, amount):
        return self.add("tax", created, -money(amount), description="VAT on fees")

    def pay(self, created):
        """Closes a payout over all rows that wait."""
        total = sum(row.net for row in self.pending)
        payout = f"po_{self.mark}{len(self.payouts) + 1:02d}"
        self.count += 1
        own = StripeRow(f"txn_{self.mark}{self.count:04d}", "payout", created, -total, source=payout,
                        description="STRIPE PAYOUT")
        rows = self.pending + [own]
        effective = datetime.combine(created.date() + timedelta(days=2), time())
        for row in rows:
            row.payout, row.effective = payout, effective
        assert sum(row.net for row in rows) == 0
        self.payouts.append(rows)
        self.pending = []
        return own

    def report(self, path, first, last, waiting=(), newest_first=False):
        """Writes payouts `first` to `last`, counted from 1, and rows that wait for their payout."""
        records = [row.record(True, self.plans) for rows in self.payouts[first - 1:last] for row in rows]
        records += [row.record(False, self.plans) for row in waiting]
        if newest_first:
            records.reverse()
        write_csv(path, STRIPE_HEADER + ([PLAN_COLUMN] if self.plans else []), records)


def webshop():
    """The web shop's account: one month with nearly everything that can happen."""
    shop = StripeAccount("NordlysWeb", 20260101)
    day = lambda number: date(2026, 1, number)

    for number in (1, 2, 3, 4):
        shop.sales(day(number), 3)
    shop.pay(local("2026-01-05 05:10"))

    for number in (5, 6, 7):
        first, *_ = shop.sales(day(number), 4)
    shop.refund(local("2026-01-07 15:20"), first, 150)
    shop.refund(local("2026-01-07 15:44"), shop.by_order["N-4103"], money(shop.by_order["N-4103"].gross / 2))
    shop.pay(local("2026-01-08 05:10"))

    for number in (8, 9, 10, 11):
        shop.sales(day(number), 3)
    lost = shop.by_order["N-4105"]
    shop.add("dispute", local("2026-01-09 11:05"), -lost.gross, 150, charge=lost.charge, order=lost.order,
             description=f"Chargeback of order {lost.order}", reason="product_not_received")
    shop.fee_row(local("2026-01-10 03:00"), "49.50", "Radar, week 1")
    shop.tax_row(local("2026-01-10 03:00"), "12.38")
    shop.pay(local("2026-01-12 05:10"))

    # This payout comes back from the bank: its account number was wrong.
    for number in (12, 13, 14):
        shop.sales(day(number), 4)
    shop.add("risk_reserved_funds", local("2026-01-14 23:10"), -1500, description="Reserve kept")
    failed = shop.pay(local("2026-01-15 05:10"))

    for number in (15, 16, 17, 18):
        *_, last = shop.sales(day(number), 3)
    shop.refund(local("2026-01-18 21:59"), last, last.gross)
    shop.add("payout_minimum_balance_hold", local("2026-01-19 05:09"), -250, description="Minimum balance")
    shop.pay(local("2026-01-19 05:10"))

    shop.add("payout_minimum_balance_release", local("2026-01-19 05:30"), 250, description="Minimum balance")
    waiting_early = shop.sales(day(19), 3)
    shop.add("payout_reversal", local("2026-01-20 14:02"), -failed.gross, source=failed.payout,
             description="Payout returned")
    for number in (20, 21):
        shop.sales(day(number), 3)
    shop.pay(local("2026-01-22 05:10"))

    # Refunds are larger than sales: Stripe takes the difference from the bank.
    shop.sales(day(22), 2, 9_900, 29_900)
    for order in ("N-4110", "N-4114", "N-4120"):
        sale = shop.by_order[order]
        shop.refund(local("2026-01-23 10:15"), sale, sale.gross)
    negative = shop.pay(local("2026-01-26 05:10"))
    assert negative.gross > 0

    for number in (26, 27, 28):
        shop.sales(day(number), 3)
    shop.add("dispute_reversal", local("2026-01-27 16:40"), lost.gross, -150, charge=lost.charge, order=lost.order,
             description=f"Chargeback of order {lost.order} won", reason="product_not_received")
    shop.tax_row(local("2026-01-28 03:00"), "8.75")
    shop.pay(local("2026-01-29 05:10"))

    # Over the month's end. The sale at 23:30 UTC on 31 January is one of 1 February in Oslo.
    shop.sales(day(30), 3)
    shop.sales(day(31), 3)
    shop.sale(datetime(2026, 1, 31, 23, 30, tzinfo=timezone.utc), 640)
    shop.sales(date(2026, 2, 1), 2)
    shop.add("risk_reserved_funds", local("2026-02-01 23:10"), 1500, description="Reserve released")
    shop.add("payout_minimum_balance_hold", local("2026-02-02 05:09"), -400, description="Minimum balance")
    shop.pay(local("2026-02-02 05:10"))

    waiting = shop.sales(date(2026, 2, 2), 2) + shop.sales(date(2026, 2, 3), 2)
    inbox = HERE / "nordlys" / "inbox" / "nordlys" / "webshop"
    shop.report(inbox / "webshop-2026-01a.csv", 1, 5, waiting_early, newest_first=True)
    shop.report(inbox / "webshop-2026-01b.csv", 4, 9, waiting, newest_first=True)
    return shop


def members():
    """The membership account: plans by month and by year, told by a tag."""
    club = StripeAccount("NordlysClub", 20260102, plans=True)
    prices = {"month": 149, "year": 1490}

    def joins(day, plans):
        sales = []
        for index, plan in enumerate(plans):
            created = datetime.combine(day, time(9 + index, club.chance.randrange(60), 7), OSLO)
            sales.append(club.sale(created, prices[plan], plan=plan))
        return sales

    first, *_ = joins(date(2026, 1, 2), ["month", "month", "year", "month"])
    club.pay(local("2026-01-07 06:00"))
    joins(date(2026, 1, 9), ["year", "month"])
    joins(date(2026, 1, 11), ["month", "month", "month"])
    club.pay(local("2026-01-14 06:00"))
    joins(date(2026, 1, 16), ["month", "year", "month", "year"])
    club.refund(local("2026-01-17 12:30"), first, first.gross)
    club.pay(local("2026-01-21 06:00"))
    joins(date(2026, 1, 23), ["month", "month"])
    club.pay(local("2026-01-28 06:00"))
    club.report(HERE / "nordlys" / "inbox" / "nordlys" / "members" / "members-2026-01.csv", 1, 4)
    return club


# --- Vipps MobilePay ---------------------------------------------------------------------------------------------

VIPPS_HEADER = [
    "Salgssted", "MSN/Vippsnummer", "Land", "Betalingsløsning", "Tidspunkt", "Bokføringsdato", "Type", "Beløp",
    "Balanse", "Gebyr", "Nettobeløp", "Valuta", "Kundens navn", "Kundens telefonnummer", "Melding", "Kategori",
    "PSP-referanse", "Ordre-ID/Referanse", "Utbetalingsnummer", "Bankkonto for utbetaling", "Planlagt utbetalingsdato",
]
CAPTURE, REFUND, FEES, PAYOUT = "Belastning", "Refund", "Gebyrer fratrukket", "Utbetaling planlagt"


def banking_day(on, count):
    """The day that lies `count` banking days after `on`; only weekends are none here."""
    while count:
        on += timedelta(days=1)
        count -= on.weekday() < 5
    return on


class VippsRow:
    """One movement of a sales unit's balance."""

    def __init__(self, kind, at, on, amount, **more):
        self.kind = kind
        self.at = at
        self.on = on
        self.amount = money(amount)
        self.balance = more["balance"]
        self.fee = more.get("fee")
        self.psp = more["psp"]
        self.order = more.get("order", "")
        self.number = more.get("number", "")
        self.message = more.get("message", "")
        self.planned = more.get("planned")


class VippsUnit:
    """Makes the ledger of one sales unit with daily payouts: none on a day that ends at or below zero."""

    def __init__(self, unit, ledger, number, seed, title):
        self.unit = unit
        self.ledger = ledger
        self.number = number
        self.title = title
        self.chance = random.Random(seed)
        self.balance = ZERO
        self.psp = 36_100_000_000 + seed % 1000 * 1_000_000
        self.rows = []

    def move(self, kind, at, on, amount, **more):
        self.balance += money(amount)
        if "psp" not in more:
            self.psp += self.chance.randint(1_000, 9_000)
            more["psp"] = str(self.psp)
        self.rows.append(VippsRow(kind, at, on, amount, balance=self.balance, **more))

    def day(self, on, captures, refunds=(), message=""):
        """A day's captures, refunds and fee; the fee is 1.75 % of each capture."""
        minutes = sorted(self.chance.sample(range(9 * 60, 23 * 60), len(captures) + len(refunds)))
        amounts = [(CAPTURE, money(amount)) for amount in captures] + [(REFUND, -money(amount)) for amount in refunds]
        fees = ZERO
        for minute, (kind, amount) in zip(minutes, amounts):
            at = datetime.combine(on, time(minute // 60, minute % 60, self.chance.randrange(60)))
            fee = -money(amount * Decimal("0.0175")) if kind == CAPTURE else None
            fees += fee or ZERO
            self.move(kind, at, on, amount, fee=fee, order=str(13_000_000_000 + self.psp % 999_983), message=message)
            message = ""
        return fees

    def close(self, on, fees):
        """The night after a day: fees are taken, and what stands to the merchant's credit is paid out."""
        night = datetime.combine(on + timedelta(days=1), time(0, 23, 17))
        if fees:
            self.move(FEES, night, on, fees, psp=f"{self.ledger}-{on:%Y%m%d}")
        if self.balance > 0:
            number = str(self.number)
            self.number += 1
            self.move(PAYOUT, night, on, -self.balance, psp=f"{self.ledger}-{number}", number=number,
                      order=f"Utb. {number} Vippsnr {self.unit}", planned=banking_day(on, 2))

    def sell(self, on, captures, refunds=(), message=""):
        """A whole day."""
        self.close(on, self.day(on, captures, refunds, message))

    def record(self, row):
        customer = row.kind in (CAPTURE, REFUND)
        return [
            self.title, self.unit, "Norge", "Valgfritt beløp" if customer else "", row.at.strftime(STAMP),
            row.on.isoformat(), row.kind, f"{row.amount:.2f}", f"{row.balance:.2f}",
            "" if row.fee is None else f"{row.fee:.2f}", "" if row.fee is None else f"{row.amount + row.fee:.2f}",
            "NOK", "", "+47 xxxx 0000" if customer else "", row.message, "", row.psp, row.order, row.number,
            "NO00 0000 0000 0" if row.number else "", row.planned.isoformat() if row.planned else "",
        ]

    def report(self, path, first, last, keep=lambda row: True):
        """Writes the movements of the booking days `first` to `last`."""
        rows = [row for row in self.rows if first <= row.on <= last and keep(row)]
        write_csv(path, VIPPS_HEADER, [self.record(row) for row in rows])

    def settlements(self):
        """The rows of each payout, in ledger order, and those that no payout holds yet."""
        sets, current = [], []
        for row in self.rows:
            current.append(row)
            if row.kind == PAYOUT:
                sets.append(current)
                current = []
        return sets, current


def counter():
    """The shop counter: daily payouts, a day below zero, and a payout over the month's end."""
    unit = VippsUnit("548005", "460017", 2000301, 548, "Nordlys Keramikk")
    january = [number for number in range(2, 32) if date(2026, 1, number).weekday() != 6]
    special = {
        # More is given back than is sold: no payout, the next one starts below zero.
        14: (["249.00"], ["890.00", "450.00"]),
        15: (["1290.00", "349.00", "560.00"], []),
        31: (["149.00"], ["699.00"]),
    }
    for number in january:
        captures = [Decimal(unit.chance.randint(80, 950)) for _ in range(unit.chance.randint(2, 5))]
        refunds = [Decimal(unit.chance.randint(20, 150))] if unit.chance.random() < 0.3 else []
        captures, refunds = special.get(number, (captures, refunds))
        message = "Kopp med hank,\nblå glasur" if number == 5 else ""
        unit.sell(date(2026, 1, number), captures, refunds, message)
    unit.sell(date(2026, 2, 1), ["420.00", "1150.00"])
    unit.sell(date(2026, 2, 2), ["310.00", "275.50"], ["99.00"])
    # The last day is still open: no fee and no payout yet.
    unit.day(date(2026, 2, 3), ["180.00", "95.00"])
    inbox = HERE / "nordlys" / "inbox" / "nordlys" / "vipps"
    unit.report(inbox / "vipps-2026-01a.csv", date(2026, 1, 1), date(2026, 1, 14))
    unit.report(inbox / "vipps-2026-01b.csv", date(2026, 1, 12), date(2026, 2, 3))
    return unit


# --- What booking must give ---------------------------------------------------------------------------------------


class Expected:
    """Settlements with their vouchers, and what they leave on each account (debit positive)."""

    def __init__(self):
        self.settlements = []
        self.accounts = defaultdict(Decimal)
        self.vouchers = 0
        self.postings = 0

    def add(self, settlement, on, payout, gross, fee, vouchers):
        for reference, day, lines in vouchers:
            total = sum(lines.values())
            assert total == 0, (reference, total)
            for (account, _), amount in lines.items():
                self.accounts[account] += amount
            self.postings += sum(1 for amount in lines.values() if amount)
        self.vouchers += len(vouchers)
        self.settlements.append((settlement, on, payout, gross, fee, vouchers))

    def text(self):
        """The figures as a table that a program can read as well: fields are parted by blanks."""
        lines = [
            "# Written by generate.py. Amounts are NOK; gross, fee and net are without the payout's own row,",
            "# fee and VAT rows counted as fee with gross 0, and net = gross - fee.",
            "#",
            "# settlement id day payout gross fee net vouchers",
        ]
        for name, on, payout, gross, fee, vouchers in self.settlements:
            lines.append(f"settlement {name} {on} {payout:.2f} {gross:.2f} {fee:.2f} {gross - fee:.2f} {len(vouchers)}")
        lines += ["#", "# voucher reference day postings in_transit"]
        for _, _, _, _, _, vouchers in self.settlements:
            for reference, day, posted in vouchers:
                count = sum(1 for amount in posted.values() if amount)
                transit = sum(amount for (account, _), amount in posted.items() if account == "1909")
                lines.append(f"voucher {reference} {day} {count} {transit:.2f}")
        lines += ["#", "# account balance (debit positive)"]
        lines += [f"account {account} {amount:.2f}" for account, amount in sorted(self.accounts.items())]
        lines += [
            "#",
            f"settlements {len(self.settlements)}",
            f"vouchers {self.vouchers}",
            f"postings {self.postings}",
        ]
        return "\n".join(lines) + "\n"


def book(lines, account, kind, amount):
    """Adds an amount, debit positive, to the voucher line of an account and kind."""
    if amount:
        lines[(account, kind)] += amount


def stripe_expected(expected, account, roles, sale_target):
    """Books a Stripe account's payouts: one voucher each, and one more for a payout that came back.

    What Stripe keeps as a minimum balance, and a payout that came back, move the provider's balance and nothing else.
    """
    for rows in account.payouts:
        own = rows[-1]
        lines = defaultdict(Decimal)
        vouchers = []
        gross_total = fee_total = ZERO
        returned = None
        for row in rows[:-1]:
            gross, fee = row.gross, row.fee
            if row.category in ("fee", "tax"):
                gross, fee = ZERO, -row.gross
            gross_total += gross
            fee_total += fee
            if row.category.startswith("payout_minimum_balance_"):
                book(lines, roles["provider_balance"], "balance", -gross)
                continue
            if row.category == "payout_reversal":
                book(lines, roles["provider_balance"], "balance", -gross)
                returned = {(roles["provider_balance"], "balance"): gross, ("1909", "payout"): -gross}
                vouchers.append((f"stripe:{own.payout}:payout-reversal", row.on, returned))
                continue
            if row.category in ("charge", "refund"):
                book(lines, sale_target(row), (row.category, row.plan if row.category == "charge" else ""), -gross)
            elif row.category in ("dispute", "dispute_reversal"):
                book(lines, roles["disputed"], row.category, -gross)
            elif row.category == "risk_reserved_funds":
                book(lines, roles["held_by_provider"], "hold" if gross < 0 else "hold-release", -gross)
            else:
                assert row.category in ("fee", "tax"), row.category
            if row.category == "tax":
                book(lines, roles["fee_vat"], "fee-vat", fee)
            else:
                what = {"charge": "processing", "fee": "unknown"}.get(row.category, "dispute")
                book(lines, roles["provider_fee"], ("fee" if fee > 0 else "fee-refund", what), fee)
        book(lines, "1909", "payout", -own.gross)
        vouchers.insert(0, (f"stripe:{own.payout}", own.on, lines))
        expected.add(f"stripe:{own.payout}", own.on, -own.gross, gross_total, fee_total, vouchers)


def vipps_expected(expected, unit, clearing, provider_balance):
    """Books a sales unit's payouts: one voucher per month that a payout's days lie in."""
    sets, _ = unit.settlements()
    for rows in sets:
        own = rows[-1]
        months = defaultdict(lambda: defaultdict(Decimal))
        gross_total = fee_total = ZERO
        for row in rows:
            lines = months[(row.on.year, row.on.month)]
            book(lines, provider_balance, "balance", row.amount)
            if row.kind == PAYOUT:
                book(lines, "1909", "payout", -row.amount)
            elif row.kind == FEES:
                book(lines, "7770", "fee", -row.amount)
                fee_total -= row.amount
            else:
                book(lines, clearing, row.kind, -row.amount)
                gross_total += row.amount
        vouchers = []
        for part, (month, lines) in enumerate(sorted(months.items()), start=1):
            last = (date(month[0], month[1], 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            day = own.on if month == (own.on.year, own.on.month) else last
            suffix = f":{part}/{len(months)}" if len(months) > 1 else ""
            vouchers.append((f"vipps-mobilepay:{own.psp}{suffix}", day, lines))
        expected.add(f"vipps-mobilepay:{own.psp}", own.on, -own.amount, gross_total, fee_total, vouchers)


def nordlys():
    """Home `nordlys`: everything is booked."""
    expected = Expected()
    roles = {"provider_balance": "1570", "disputed": "1575", "held_by_provider": "1576", "provider_fee": "7770",
             "fee_vat": "2711"}
    stripe_expected(expected, webshop(), roles, lambda row: "1579")
    vipps_expected(expected, counter(), "1578", "1571")
    yearly = lambda row: "2900" if row.category == "charge" and row.plan == "year" else "3000"
    stripe_expected(expected, members(), roles | {"provider_balance": "1572"}, yearly)
    (HERE / "nordlys" / "expected.txt").write_text(expected.text(), encoding="utf-8")
    return expected


# --- The home where something is wrong ------------------------------------------------------------------------------


def trouble():
    """Home `trouble`: one small report for each cause, and three sound payouts."""
    inbox = HERE / "trouble" / "inbox" / "trouble"
    expected = Expected()
    held = []
    shop = StripeAccount("TroubleShop", 20260103)
    day = date(2026, 1, 2)

    def sell(account, count=3, **more):
        """Some sales of the next day."""
        nonlocal day
        day += timedelta(days=1)
        return [account.sale(datetime.combine(day, time(9 + index, 15), OSLO), 100 + 37 * index, **more)
                for index in range(count)]

    def pay(account):
        """The payout after the last sales: all its rows, the payout's own last."""
        account.pay(datetime.combine(day + timedelta(days=2), time(5, 10), OSLO))
        return account.payouts[-1]

    def write(connection, name, rows, cause, settlement=None):
        write_csv(inbox / connection / name, STRIPE_HEADER, [row.record(True, False) for row in rows])
        if cause:
            held.append(f"held {connection}/{name} {cause} stripe:{settlement or rows[0].payout}")

    first = sell(shop)
    pay(shop)
    sell(shop)
    shop.refund(local("2026-01-05 10:00"), first[1], 50)
    pay(shop)
    write("shop", "sound.csv", shop.payouts[0] + shop.payouts[1], None)
    stripe_expected(expected, shop, {"provider_balance": "1570", "provider_fee": "7770"}, lambda row: "1579")

    sell(shop)
    shop.add("moon_dust", local("2026-01-05 12:00"), -12, description="Moon dust")
    write("shop", "unknown-line.csv", pay(shop), "unknown-line")

    sell(shop)
    rows = pay(shop)
    rows[-1].gross -= 1
    write("shop", "does-not-add-up.csv", rows, "does-not-add-up")

    sell(shop)
    write("shop", "payout-row-missing.csv", pay(shop)[:-1], "payout-row-missing")

    sale, *_ = sell(shop)
    shop.add("dispute", local("2026-01-08 12:00"), -sale.gross, 150, charge=sale.charge, order=sale.order,
             description=f"Chargeback of order {sale.order}", reason="fraudulent")
    write("shop", "missing-account.csv", pay(shop), "missing-account")

    sell(shop)
    rows = pay(shop)
    by_hand = rows[-1].payout
    for row in rows:
        row.payout, row.effective = "", None
    write("shop", "manual-payout.csv", rows, "manual-payout", by_hand)

    # The second report lacks a sale of the first, and its payout is smaller by just that.
    sell(shop, 4)
    rows = pay(shop)
    write("shop", "duplicate-differs-1.csv", rows, None)
    gone = rows.pop(1)
    rows[-1].gross += gone.net
    assert sum(row.net for row in rows) == 0
    write("shop", "duplicate-differs-2.csv", rows, "duplicate-differs")

    sell(shop)
    rows = pay(shop)
    write("shop", "cut-off.csv", rows, None)
    whole = (inbox / "shop" / "cut-off.csv").read_text(encoding="utf-8")
    last_row = whole.rstrip("\n").rindex("\n") + 1
    (inbox / "shop" / "cut-off.csv").write_text(whole[:last_row + 60], encoding="utf-8")
    (inbox / "shop" / "utf-16.csv").write_bytes(b"\xff\xfe" + whole.encode("utf-16-le"))
    (inbox / "shop" / "empty.csv").write_bytes(b"")
    (inbox / "shop" / "answer.json").write_text(ANSWER, encoding="utf-8")

    revenue = StripeAccount("TroubleRevenue", 20260104)
    sell(revenue)
    write("revenue", "vat-missing.csv", pay(revenue), "vat-missing")
    klarna = StripeAccount("TroubleKlarna", 20260105)
    sell(klarna, 2)
    sell(klarna, 1, method="klarna")
    write("klarna", "rule-refused.csv", pay(klarna), "rule-refused")
    invoiced = StripeAccount("TroubleInvoiced", 20260106)
    sell(invoiced)
    write("invoiced", "fee-mode.csv", pay(invoiced), "fee-mode")

    unit = VippsUnit("555555", "480055", 2000401, 555, "Trøbbel Handel")
    unit.sell(date(2026, 1, 5), ["120.00", "340.00", "99.00"], ["50.00"])
    vipps_expected(expected, unit, "1579", "1574")
    unit.sell(date(2026, 1, 12), ["210.00", "75.00"])
    unit.report(inbox / "counter" / "sound.csv", date(2026, 1, 5), date(2026, 1, 5))
    unit.report(inbox / "counter" / "payout-row-missing.csv", date(2026, 1, 12), date(2026, 1, 12),
                lambda row: row.kind != PAYOUT)
    held.append("held counter/payout-row-missing.csv payout-row-missing -")
    other = VippsUnit("777777", "470077", 2000501, 777, "En annen butikk")
    other.sell(date(2026, 1, 7), ["430.00", "65.00"])
    other.report(inbox / "counter" / "wrong-account.csv", date(2026, 1, 7), date(2026, 1, 7))
    held.append("held counter/wrong-account.csv wrong-account vipps-mobilepay:470077-2000501")
    (inbox / "counter" / "old-record-types.csv").write_text(OLD_RECORDS, encoding="utf-8")
    (inbox / "counter" / "unknown-namespace.xml").write_text(UNKNOWN_NAMESPACE, encoding="utf-8")

    errors = ["shop/answer.json", "shop/cut-off.csv", "shop/empty.csv", "shop/utf-16.csv",
              "counter/old-record-types.csv", "counter/unknown-namespace.xml"]
    text = expected.text() + "#\n# held file cause settlement\n" + "\n".join(sorted(held))
    text += "\n#\n# error file\n" + "\n".join(f"error {name}" for name in sorted(errors))
    text += f"\n#\nheld-settlements {len(held)}\nunreadable-files {len(errors)}\n"
    (HERE / "trouble" / "expected.txt").write_text(text, encoding="utf-8")
    return expected, held, errors


# An answer of an API, saved by mistake where a report was meant.
ANSWER = """\
{
  "object": "list",
  "has_more": false,
  "data": [
    {"id": "po_TroubleAnswer", "object": "payout", "amount": 41250, "currency": "nok", "automatic": true}
  ]
}
"""

# A record type in the first column; net is gross less fee and forgets the refund, so that it is not what was paid.
OLD_RECORDS = """\
OrganizationNumber,MerchantName
999777666,Trøbbel Handel AS
SettlementInfo,SalesUnitName,SaleUnitNumber,SettlementDate,SettlementID,SettlementAccount,Gross,Currency,Fee,Refund,Net,\
NumberOfTransactions
SettlementInfo,Trøbbel Handel,555555,14.01.2021,2000031,00000000000,560.00,NOK,-9.80,-100.00,550.20,3
TransactionInfo,SalesDate,SaleUnitName,SaleUnitNumber,TransactionId,SettlementId,OrderID,SettlementDate,Gross,Currency,\
Fee,Refund,Net
TransactionInfo,13.01.2021,Trøbbel Handel,555555,7100000001,2000031,T-1,14.01.2021,400.00,NOK,-7.00,0.00,393.00
TransactionInfo,13.01.2021,Trøbbel Handel,555555,7100000002,2000031,T-2,14.01.2021,160.00,NOK,-2.80,0.00,157.20
TransactionInfo,13.01.2021,Trøbbel Handel,555555,7100000003,2000031,T-1,14.01.2021,0.00,NOK,0.00,-100.00,0.00
"""

# A settlement report of a schema that does not exist; its figures would add up.
UNKNOWN_NAMESPACE = """\
<?xml version="1.0" encoding="UTF-8"?>
<SettlementReport xmlns="http://example.org/xmlschema/SettlementReport-9.0.xsd">
  <SettlementDetailsInfo>
    <SaleUnitName>Trøbbel Handel</SaleUnitName>
    <SerialNumber>555555</SerialNumber>
    <OrganizationName>Trøbbel Handel AS</OrganizationName>
    <OrganizationNumber>999777666</OrganizationNumber>
    <PaymentsInfo>
      <ReportDateFrom>2026-01-19</ReportDateFrom>
      <ReportDateTo>2026-01-19</ReportDateTo>
      <SettlementCurrencyCode>NOK</SettlementCurrencyCode>
      <SettlementInfo>
        <SettlementDate>2026-01-19</SettlementDate>
        <SettlementID>2000403</SettlementID>
        <SettlementCurrencyCode>NOK</SettlementCurrencyCode>
        <SettlementType>Net</SettlementType>
        <TransactionInfo>
          <TransactionTime>2026-01-19T12:00:00.000+01:00</TransactionTime>
          <TransactionCaptureAmount>200.00</TransactionCaptureAmount>
          <TransactionRefundAmount>0.00</TransactionRefundAmount>
          <TransactionGrossAmount>200.00</TransactionGrossAmount>
          <TransactionNetAmount>196.50</TransactionNetAmount>
          <TransactionFeeAmount>3.50</TransactionFeeAmount>
          <SettlementCurrencyCode>NOK</SettlementCurrencyCode>
          <TransactionID>7100000101</TransactionID>
          <OrderID>T-9</OrderID>
        </TransactionInfo>
        <NumOfTransactions>1</NumOfTransactions>
        <CaptureSettlementAmount>200.00</CaptureSettlementAmount>
        <RefundSettlementAmount>0.00</RefundSettlementAmount>
        <GrossSettlementAmount>200.00</GrossSettlementAmount>
        <NetSettlementAmount>196.50</NetSettlementAmount>
        <FeeSettlementAmount>3.50</FeeSettlementAmount>
        <SettledAmount>196.50</SettledAmount>
      </SettlementInfo>
      <NumOfSettlements>1</NumOfSettlements>
    </PaymentsInfo>
  </SettlementDetailsInfo>
</SettlementReport>
"""


def main():
    made = nordlys()
    print(f"nordlys: {len(made.settlements)} settlements, {made.vouchers} vouchers, {made.postings} postings")
    made, held, errors = trouble()
    print(f"trouble: {len(made.settlements)} sound settlements, {made.vouchers} vouchers, {len(held)} held, "
          f"{len(errors)} unreadable files")


if __name__ == "__main__":
    main()
