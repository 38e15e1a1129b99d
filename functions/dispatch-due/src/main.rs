//! Lambda: every minute. Reads the due index, invokes what has work.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logs(true);
    let world = edge::cloud::world_from_env()?;
    let world = &world;
    run(service_fn(move |_: LambdaEvent<serde_json::Value>| async move {
        let count = dispatch_due::handle(world).await?;
        tracing::info!(count, "dispatched what is due");
        Ok::<(), Error>(())
    }))
    .await
}
