//! Lambda: an object was put into the inbox bucket. Reads it into the archive and the table.

use aws_lambda_events::event::s3::S3Event;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logs(true);
    let world = edge::cloud::world_from_env()?;
    let world = &world;
    run(service_fn(move |event: LambdaEvent<S3Event>| async move {
        for record in event.payload.records {
            let key = record.s3.object.url_decoded_key.or(record.s3.object.key).unwrap_or_default();
            import_file::handle(world, &key, &mut |_| {}).await?;
        }
        Ok::<(), Error>(())
    }))
    .await
}
