//! Lambda: a batch of due settlements. Fetches their rows page by page; failed keys are reported one by one.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Batch {
    keys: Vec<String>,
}

#[derive(Serialize)]
struct Report {
    failed: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logs(true);
    let world = edge::cloud::world_from_env()?;
    let world = &world;
    run(service_fn(move |event: LambdaEvent<Batch>| async move {
        let mut failed = Vec::new();
        let until = event.context.deadline();
        for key in event.payload.keys {
            let left = until.duration_since(std::time::SystemTime::now()).unwrap_or_default();
            let budget = left.saturating_sub(Duration::from_secs(60));
            if let Err(error) = fetch_settlement::handle(world, &key, budget, &mut |_| {}).await {
                tracing::error!(key, %error, "settlement not fetched");
                failed.push(key);
            }
        }
        Ok::<Report, Error>(Report { failed })
    }))
    .await
}
