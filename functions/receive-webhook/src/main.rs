//! Lambda behind a function URL: a provider's notice. Answers fast; the work is discover-payouts'.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    edge::start_logs(true);
    let world = edge::cloud::world_from_env()?;
    let world = &world;
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let status = match receive_webhook::of_function_url(&event.payload) {
            Some(incoming) => receive_webhook::handle(world, &incoming).await.as_u16(),
            None => 400,
        };
        Ok::<Value, Error>(json!({ "statusCode": status }))
    }))
    .await
}
