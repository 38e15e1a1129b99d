//! What the S3 client sees of single objects.

#![allow(clippy::unwrap_used)]

mod clients;

use std::fs;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use embedded::{Buckets, Embedded};
use tempfile::tempdir;

use crate::clients::{content, get, put, status};

#[tokio::test]
async fn an_object_is_a_file_that_comes_back_as_it_was_put() {
    let home = tempdir().unwrap();
    let client = clients::inbox(&home.path().join("not/yet"));
    let etag = put(&client, "stripe/2026/æ ø+å.csv", "day,amount\n").await;
    assert_eq!(etag, "\"f056ed75cb1878af20f23b85dfb1755e\"");
    let file = home.path().join("not/yet/stripe/2026/æ ø+å.csv");
    assert_eq!(fs::read_to_string(&file).unwrap(), "day,amount\n");
    let object = client.get_object().bucket("inbox").key("stripe/2026/æ ø+å.csv").send().await.unwrap();
    assert_eq!(object.e_tag(), Some(etag.as_str()));
    assert_eq!(object.content_length(), Some(11));
    assert!(object.last_modified().is_some());
    assert_eq!(content(object).await, "day,amount\n");
    assert_eq!(put(&client, "stripe/2026/æ ø+å.csv", "").await, "\"d41d8cd98f00b204e9800998ecf8427e\"");
    assert_eq!(get(&client, "stripe/2026/æ ø+å.csv").await.unwrap(), "");
}

#[tokio::test]
async fn a_deleted_object_is_gone_and_deleting_it_again_is_no_error() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    put(&client, "a/b.csv", "1").await;
    for _ in 0..2 {
        client.delete_object().bucket("inbox").key("a/b.csv").send().await.unwrap();
        assert_eq!(get(&client, "a/b.csv").await, None);
    }
    let elsewhere = clients::inbox(&home.path().join("missing"));
    elsewhere.delete_object().bucket("inbox").key("a").send().await.unwrap();
    assert!(!home.path().join("missing").exists());
}

#[tokio::test]
async fn missing_objects_and_buckets_are_told_apart() {
    let home = tempdir().unwrap();
    let client = clients::inbox(&home.path().join("missing"));
    assert_eq!(get(&client, "a.csv").await, None);
    let head = client.head_object().bucket("inbox").key("a.csv").send().await.unwrap_err();
    assert!(head.into_service_error().is_not_found());
    let bucket = client.get_object().bucket("elsewhere").key("a.csv").send().await.unwrap_err();
    assert_eq!(bucket.code(), Some("NoSuchBucket"));
}

#[tokio::test]
async fn head_tells_size_and_etag_without_a_body() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    let etag = put(&client, "a.csv", "12345").await;
    let head = client.head_object().bucket("inbox").key("a.csv").send().await.unwrap();
    assert_eq!((head.content_length(), head.e_tag()), (Some(5), Some(etag.as_str())));
}

#[tokio::test]
async fn ranges_return_just_their_part() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    put(&client, "a.csv", "0123456789").await;
    for (range, part, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=5-500", "56789", "bytes 5-9/10"),
    ] {
        let object = client.get_object().bucket("inbox").key("a.csv").range(range).send().await.unwrap();
        assert_eq!(object.content_range(), Some(content_range));
        assert_eq!(content(object).await, part);
    }
    let beyond = client.get_object().bucket("inbox").key("a.csv").range("bytes=10-").send().await;
    assert_eq!(status(&beyond.unwrap_err()), 416);
    put(&client, "empty.csv", "").await;
    let empty = client.get_object().bucket("inbox").key("empty.csv").range("bytes=-1").send().await;
    assert_eq!(status(&empty.unwrap_err()), 416);
}

#[tokio::test]
async fn a_put_that_breaks_off_leaves_the_old_object_and_no_temporary_file() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    put(&client, "a.csv", "old").await;
    let broken = || {
        let frames = [
            Ok(http_body::Frame::data(bytes::Bytes::from_static(b"new"))),
            Err(std::io::Error::other("the line went dead")),
        ];
        http_body_util::StreamBody::new(futures_util::stream::iter(frames))
    };
    let body = ByteStream::new(SdkBody::retryable(move || SdkBody::from_body_1_x(broken())));
    let put = client.put_object().bucket("inbox").key("a.csv").content_length(6).body(body);
    put.send().await.unwrap_err();
    assert_eq!(get(&client, "a.csv").await.unwrap(), "old");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_an_error_and_not_a_mixture() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    let path = home.path().join("a.csv");
    fs::write(&path, "x".repeat(100_000)).unwrap();
    let object = client.get_object().bucket("inbox").key("a.csv").send().await.unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    fs::write(&path, "y".repeat(100_000)).unwrap();
    assert!(object.body.collect().await.is_err());
    let object = client.get_object().bucket("inbox").key("a.csv").send().await.unwrap();
    put(&client, "a.csv", "replaced").await;
    assert_eq!(content(object).await, "y".repeat(100_000));
}

#[tokio::test]
async fn framed_uploads_are_refused_instead_of_kept_with_their_frames() {
    let home = tempdir().unwrap();
    let embedded = Embedded::in_memory(Buckets::new().bucket("inbox", home.path())).unwrap();
    let client = Client::from_conf(clients::s3_config(&embedded).build());
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, "content").unwrap();
    let body = ByteStream::from_path(&file).await.unwrap();
    let put = client.put_object().bucket("inbox").key("a.csv").body(body).send().await.unwrap_err();
    assert_eq!(status(&put), 501);
    assert_eq!(get(&client, "a.csv").await, None);
}
