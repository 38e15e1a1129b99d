//! Lambda: an object was put into the config bucket. Reads it, writes its verdict and, if valid, the pointer.

use aws_lambda_events::event::s3::S3Event;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logs(true);
    let world = edge::cloud::world_from_env()?;
    let world = &world;
    run(service_fn(move |event: LambdaEvent<S3Event>| async move {
        for record in event.payload.records {
            let key = record.s3.object.key.unwrap_or_default();
            if key.ends_with(".toml") {
                let verdict = check_config::handle(world, &key).await?;
                tracing::info!(company.id = verdict.company, valid = verdict.valid, "mapping file judged");
            }
        }
        Ok::<(), Error>(())
    }))
    .await
}
