//! What happens in a history besides calls: to the systems, the table, the mapping files and the workers.

use std::sync::atomic::Ordering;
use std::time::Duration as StdDuration;

use chrono::Days;
use serde_json::{Value, json};
use store::bucket;
use store::item::Backfill;

use super::history::{Second, Style, What};
use super::hub::Fate;
use super::{FIRST, Running, Simulation, Snapshot, ask, config};

impl Simulation {
    /// Lets one thing of the history happen, which is planned for `at`.
    pub(super) async fn happen(&self, at: Second, what: &What) {
        match what {
            What::Systems { company, kinds, percent, .. } => {
                self.end_faults(*company);
                let seed = self.hub.below(1 << 30);
                let body = json!({ "percent": percent, "seed": seed, "kinds": kinds });
                self.control(*company, "PUT", "faults", &body);
            }
            What::Store { fault, percent, lasting } => self.hub.trouble(*fault, *percent, *lasting),
            What::Crash { worker, call, effect, back_after } => {
                self.restart_after.lock().unwrap()[*worker] = *back_after;
                self.hub.doom(*worker, *call, Fate::Crash { effect: *effect });
            }
            What::Lose { worker, call } => self.hub.doom(*worker, *call, Fate::Lose),
            What::Stall { worker, call, lasting } => self.hub.doom(*worker, *call, Fate::Stall(*lasting)),
            What::Clock { worker, fast } => {
                self.hub.count("a clock is set");
                self.fast[*worker].store(*fast, Ordering::Relaxed);
            }
            What::Restore { back } => self.restore(at, *back).await,
            What::Configure { company, style } => {
                self.hub.count("a mapping file is edited");
                self.configure(&self.companies[*company], *style).await;
            }
            What::ExpireTokens { company } => {
                self.hub.count("tokens expire");
                self.control(*company, "POST", "expire-tokens", &json!({}));
            }
            What::ClosePeriod { company, month } => {
                self.hub.count("a period is closed");
                self.control(*company, "POST", "close-period", &json!({ "month": month }));
            }
            What::Settle { company } => {
                self.hub.count("what waited is settled");
                let mut sandbox = self.places[*company].sandbox.lock().unwrap();
                // Refused where nothing waits.
                let _ = ask(&mut sandbox, self.hub.now(), "POST", "settle", &json!({}));
            }
            What::Fail { company, payout } => self.fail(*company, *payout),
            What::Amend { company, payout } => self.amend(*company, *payout).await,
            What::Notices { company, copies } => self.notices(*company, *copies).await,
        }
    }

    /// The sound payouts of a company whose money is at the bank.
    fn paid(&self, company: usize) -> Vec<Value> {
        let mut payouts = self.payouts(company);
        payouts.retain(|payout| {
            payout["soundness"] == "sound"
                && payout["returned"] == false
                && !payout["amount"].as_str().unwrap().starts_with('-')
        });
        payouts
    }

    /// A row of a payout becomes another, if there is one and it was not amended before.
    async fn amend(&self, company: usize, payout: usize) {
        let mut payouts = self.paid(company);
        payouts.retain(|payout| payout["provider"] == "stripe");
        let Some(payout) = payouts.get(payout % payouts.len().max(1)) else { return };
        let settlement = payout["settlement"].as_str().unwrap().to_owned();
        let amended = &self.companies[company].amended;
        if amended.lock().unwrap().contains_key(&settlement) {
            return;
        }
        let (status, _) = {
            let mut sandbox = self.places[company].sandbox.lock().unwrap();
            ask(&mut sandbox, self.hub.now(), "POST", "amend-payout", &json!({ "id": payout["id"] }))
        };
        if status == 200 {
            self.hub.count("a row is amended");
            amended.lock().unwrap().insert(settlement, payout["postings"].clone());
            self.look_back(company).await;
        }
    }

    /// A person asks for all payouts of a company again. False if somebody is at it.
    pub(super) async fn look_back(&self, company: usize) -> bool {
        let company = &self.companies[company];
        let to = self.hub.now().date_naive() + Days::new(30);
        let asked = Backfill { from: FIRST, to, cursor: None };
        discover_payouts::make_due(&self.oracle, &company.plan.id, "webshop", Some(asked)).await.unwrap()
    }

    /// A payout comes back, if it can.
    fn fail(&self, company: usize, payout: usize) {
        let sound = self.paid(company);
        let Some(payout) = sound.get(payout % sound.len().max(1)) else { return };
        let mut sandbox = self.places[company].sandbox.lock().unwrap();
        let (status, _) =
            ask(&mut sandbox, self.hub.now(), "POST", "fail-payout", &json!({ "id": payout["id"] }));
        if status == 200 {
            drop(sandbox);
            self.hub.count("a payout comes back");
        }
    }

    /// Signed notices, one of them forged, reach the function that takes them.
    async fn notices(&self, number: usize, copies: usize) {
        let company = &self.companies[number];
        let world = &self.oracle;
        for (secret, expected) in [("whsec_sandbox", true), ("whsec_forged", false)] {
            let notice = sandbox::stripe_notice(
                "payout.reconciliation_completed",
                "po_any",
                self.hub.now(),
                &[secret],
            );
            let mut headers = http::HeaderMap::new();
            for (name, value) in &notice.headers {
                headers.insert(*name, value.parse().unwrap());
            }
            let incoming = receive_webhook::Incoming {
                method: http::Method::POST,
                path: format!("/hooks/{}/webshop", company.plan.id),
                headers,
                body: notice.body,
            };
            for _ in 0..copies {
                self.hub.count("a notice comes");
                let status = receive_webhook::handle(world, &incoming).await;
                if status.is_success() != expected {
                    self.is_wrong(format!("a notice signed with {secret} is answered {status}"));
                }
            }
        }
    }

    /// Puts a mapping file into force, or something that is none.
    pub(super) async fn configure(&self, company: &Running, style: Option<Style>) {
        let text = match style {
            Some(style) => config(company, style),
            None => "[company\n".to_owned(),
        };
        let file = format!("{}.toml", company.plan.id);
        bucket::put(&self.oracle, "config", &file, text.clone().into_bytes()).await.unwrap();
        let verdict = check_config::handle(&self.oracle, &file).await.unwrap();
        assert_eq!(verdict.valid, style.is_some(), "{:?}", verdict.errors);
        if style.is_some() {
            company.configs.lock().unwrap().push(text);
        }
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        let (client, name) = (&self.oracle.dynamodb, &self.oracle.places.table);
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let page = client.scan().table_name(name).set_exclusive_start_key(start).send().await.unwrap();
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return items;
            }
        }
    }

    /// Stops everybody, makes the table what it was, and lets work begin again some minutes later: sooner, sendings
    /// under way might not be visible yet.
    async fn restore(&self, at: Second, back: Second) {
        let wanted = at.saturating_sub(back);
        let snapshots = std::mem::take(&mut *self.snapshots.lock().unwrap());
        let Some((_, snapshot)) = snapshots.into_iter().find(|(taken, _)| *taken == wanted) else { return };
        self.hub.count("the table is restored");
        *self.closed_until.lock().unwrap() = self.hub.second() + 300;
        for number in 0..self.history.workers {
            self.hub.kill(number);
        }
        tokio::time::sleep(StdDuration::from_secs(1)).await;
        let (client, name) = (&self.oracle.dynamodb, &self.oracle.places.table);
        for mut item in self.snapshot().await {
            item.retain(|name, _| name == "pk" || name == "sk");
            client.delete_item().table_name(name).set_key(Some(item)).send().await.unwrap();
        }
        for item in snapshot {
            client.put_item().table_name(name).set_item(Some(item)).send().await.unwrap();
        }
        // The newest mapping files are in the bucket; only the pointer to them is older.
        for company in &self.companies {
            check_config::handle(&self.oracle, &format!("{}.toml", company.plan.id)).await.unwrap();
        }
    }
}
