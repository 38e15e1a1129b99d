//! Reports made row by row, in the forms that providers give out.

use rust_decimal::Decimal;

use crate::amount;

const STRIPE_HEADER: &str = "automatic_payout_id,balance_transaction_id,created_utc,currency,gross,fee,net,\
    reporting_category,source_id,charge_id,order_id,payment_method_type,card_country,connected_account_id";

/// An itemized payout reconciliation of Stripe. Rows belong to the payout that was begun last; their ids count up
/// within it.
#[derive(Clone, Debug)]
pub struct Stripe {
    currency: String,
    account: String,
    payout: String,
    count: usize,
    sum: Decimal,
    rows: Vec<String>,
}

impl Default for Stripe {
    fn default() -> Stripe {
        Stripe::new()
    }
}

impl Stripe {
    /// A report without rows, in NOK.
    pub fn new() -> Stripe {
        Stripe {
            currency: "nok".to_owned(),
            account: String::new(),
            payout: String::new(),
            count: 0,
            sum: Decimal::ZERO,
            rows: Vec::new(),
        }
    }

    /// One payout of one sale of 100.00 with a fee of 3.00, paid out two days later at 97.00.
    pub fn simple(payout: &str, day: &str) -> Stripe {
        Stripe::new()
            .payout(payout)
            .sale(&format!("{day} 10:00:00"), "100.00", "3.00")
            .paid(&format!("{day} 12:00:00"))
    }

    /// The currency of the rows that follow.
    pub fn currency(mut self, code: &str) -> Stripe {
        self.currency = code.to_owned();
        self
    }

    /// The connected account that the rows which follow name.
    pub fn account(mut self, account: &str) -> Stripe {
        self.account = account.to_owned();
        self
    }

    /// Begins a payout; an empty id means rows that no payout holds yet.
    pub fn payout(mut self, id: &str) -> Stripe {
        self.payout = id.to_owned();
        self.count = 0;
        self.sum = Decimal::ZERO;
        self
    }

    /// A row of any category.
    pub fn row(self, category: &str, at: &str, gross: &str, fee: &str) -> Stripe {
        let order = format!("N-{}", self.count + 1);
        self.ordered(category, at, gross, fee, &order)
    }

    /// A row of any category with an order id of its own.
    pub fn ordered(mut self, category: &str, at: &str, gross: &str, fee: &str, order: &str) -> Stripe {
        self.count += 1;
        let net = amount(gross) - amount(fee);
        self.sum += net;
        let id = format!("txn_{}_{}", self.payout, self.count);
        let order = format!("\"{}\"", order.replace('"', "\"\""));
        self.push(&id, at, [gross, fee, &net.to_string()], category, "", &order);
        self
    }

    /// A sale.
    pub fn sale(self, at: &str, gross: &str, fee: &str) -> Stripe {
        self.row("charge", at, gross, fee)
    }

    /// A refund; `gross` is negative.
    pub fn refund(self, at: &str, gross: &str) -> Stripe {
        self.row("refund", at, gross, "0.00")
    }

    /// Ends the payout with its own row over the sum of its rows.
    pub fn paid(self, at: &str) -> Stripe {
        let sum = self.sum.to_string();
        self.paid_as(at, &sum)
    }

    /// Ends the payout with its own row over a stated amount.
    pub fn paid_as(mut self, at: &str, paid: &str) -> Stripe {
        let gross = (-amount(paid)).to_string();
        let payout = self.payout.clone();
        self.push(&format!("txn_{payout}_own"), at, [&gross, "0.00", &gross], "payout", &payout, "");
        self.payout(&payout)
    }

    fn push(
        &mut self,
        id: &str,
        at: &str,
        [gross, fee, net]: [&str; 3],
        category: &str,
        source: &str,
        order: &str,
    ) {
        let Stripe { payout, currency, account, .. } = &*self;
        let charge = if category == "charge" { format!("ch_{id}") } else { String::new() };
        self.rows.push(format!(
            "{payout},{id},{at},{currency},{gross},{fee},{net},{category},{source},{charge},{order},card,NO,{account}"
        ));
    }

    /// The report as CSV.
    pub fn csv(&self) -> String {
        let mut text = format!("{STRIPE_HEADER}\n");
        for row in &self.rows {
            text.push_str(row);
            text.push('\n');
        }
        text
    }
}

const VIPPS_HEADER: &str = "Salgssted,MSN/Vippsnummer,Land,Betalingsløsning,Tidspunkt,Bokføringsdato,Type,Beløp,\
    Balanse,Gebyr,Nettobeløp,Valuta,Melding,PSP-referanse,Ordre-ID/Referanse,Utbetalingsnummer";

/// A settlement report of the Vipps MobilePay portal: one sales unit's balance, oldest row first.
#[derive(Clone, Debug)]
pub struct Vipps {
    unit: String,
    ledger: String,
    balance: Decimal,
    count: usize,
    rows: Vec<String>,
}

impl Vipps {
    /// A report of a sales unit and its ledger that begins at a balance of 0.
    pub fn new(unit: &str, ledger: &str) -> Vipps {
        Vipps {
            unit: unit.to_owned(),
            ledger: ledger.to_owned(),
            balance: Decimal::ZERO,
            count: 0,
            rows: Vec::new(),
        }
    }

    /// The balance before the rows that follow.
    pub fn opening(mut self, balance: &str) -> Vipps {
        self.balance = amount(balance);
        self
    }

    /// A captured payment.
    pub fn capture(self, day: &str, gross: &str) -> Vipps {
        self.row("Belastning", day, gross, "")
    }

    /// A refund; `gross` is negative.
    pub fn refund(self, day: &str, gross: &str) -> Vipps {
        self.row("Refusjon", day, gross, "")
    }

    /// The fees of a day; `taken` is negative.
    pub fn fees(self, day: &str, taken: &str) -> Vipps {
        self.row("Gebyrer fratrukket", day, taken, "")
    }

    /// A payout of the whole balance.
    pub fn paid(self, day: &str, number: &str) -> Vipps {
        let gross = (-self.balance).to_string();
        self.row("Utbetaling planlagt", day, &gross, number)
    }

    /// A row of any type.
    pub fn row(mut self, kind: &str, day: &str, gross: &str, number: &str) -> Vipps {
        self.count += 1;
        self.balance += amount(gross);
        let Vipps { unit, ledger, balance, count, .. } = &self;
        let psp =
            if number.is_empty() { format!("{ledger}{day}{count}") } else { format!("{ledger}-{number}") };
        let row = format!(
            "Butikk,{unit},Norge,,{day} {:02}:00:00,{day},{kind},{gross},{balance},,,NOK,,{psp},ordre {count},{number}",
            count % 24
        );
        self.rows.push(row);
        self
    }

    /// The report as CSV.
    pub fn csv(&self) -> String {
        let mut text = format!("{VIPPS_HEADER}\n");
        for row in &self.rows {
            text.push_str(row);
            text.push('\n');
        }
        text
    }
}
