//! Lambda: a batch of due settlements. Plans their vouchers and posts them; failed keys are reported one by one.

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
        for key in event.payload.keys {
            if let Err(error) = post_voucher::handle(world, &key).await {
                tracing::error!(key, %error, "settlement not posted");
                failed.push(key);
            }
        }
        Ok::<Report, Error>(Report { failed })
    }))
    .await
}
