//! The SDK's clients as the rest of the project configures them.

#![allow(dead_code)]

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use embedded::{Buckets, Embedded};

/// A client of the table.
pub fn dynamodb(embedded: &Embedded) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(embedded.http_client())
        .endpoint_url("http://local")
        .region(Region::new("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

/// A client of the buckets.
pub fn s3(embedded: &Embedded) -> Client {
    let config = s3_config(embedded)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    Client::from_conf(config)
}

/// The configuration of a client of the buckets, without a word about checksums.
pub fn s3_config(embedded: &Embedded) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(embedded.http_client())
        .endpoint_url("http://local")
        .region(Region::new("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .force_path_style(true)
}

/// A client of one bucket named `inbox`, kept in the folder.
pub fn inbox(folder: &std::path::Path) -> Client {
    s3(&Embedded::in_memory(Buckets::new().bucket("inbox", folder)).unwrap())
}

/// Puts an object into the inbox; returns its ETag.
pub async fn put(client: &Client, key: &str, content: &'static str) -> String {
    let body = ByteStream::from_static(content.as_bytes());
    let put = client.put_object().bucket("inbox").key(key).body(body).send().await.unwrap();
    put.e_tag.unwrap()
}

/// What the object in the inbox holds, `None` if there is none.
pub async fn get(client: &Client, key: &str) -> Option<String> {
    match client.get_object().bucket("inbox").key(key).send().await {
        Ok(object) => Some(content(object).await),
        Err(error) if error.code() == Some("NoSuchKey") => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// Reads an object to its end.
pub async fn content(object: GetObjectOutput) -> String {
    String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap()
}

/// The HTTP status of a refusal.
pub fn status<E>(error: &SdkError<E>) -> u16 {
    error.raw_response().unwrap().status().as_u16()
}
