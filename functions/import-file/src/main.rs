//! Lambda: an object was put into the inbox bucket. Reads it into the archive and the table.

use aws_lambda_events::event::s3::S3Event;
use import_file::Imported;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logs(true);
    let world = edge::cloud::world_from_env()?;
    let world = &world;
    run(service_fn(move |event: LambdaEvent<S3Event>| async move {
        for record in event.payload.records {
            let key = record.s3.object.url_decoded_key.or(record.s3.object.key).unwrap_or_default();
            match import_file::handle(world, &key, &mut |_| {}).await? {
                Imported::Unreadable(error) => {
                    tracing::warn!(key, at = error.at, "not read: {}", error.cause)
                }
                Imported::NoConfiguration => tracing::warn!(key, "not read: no valid mapping file for it"),
                Imported::Unchanged | Imported::Read(_) => {}
            }
        }
        Ok::<(), Error>(())
    }))
    .await
}
