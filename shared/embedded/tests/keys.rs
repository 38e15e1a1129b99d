//! Keys that are refused, and where a key leads.

#![allow(clippy::unwrap_used)]

mod clients;

use std::fs;
use std::os::unix::fs::symlink;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use embedded::{Buckets, Embedded};
use tempfile::tempdir;

use crate::clients::{get, put, status};

#[tokio::test]
async fn keys_without_an_honest_place_are_refused() {
    let home = tempdir().unwrap();
    fs::write(home.path().join("secret"), "secret").unwrap();
    let client = clients::inbox(&home.path().join("inbox"));
    let long = "a".repeat(256);
    for key in [
        "../secret",
        "a/../../secret",
        "..",
        ".",
        "a/./b",
        "a//b",
        "/a",
        "a/",
        "a\\b",
        "a\0b",
        "a\nb",
        ".bilag-tmp-1",
        "a/.bilag-tmp-1/b",
        &long,
    ] {
        let body = ByteStream::from_static(b"harm");
        let put = client.put_object().bucket("inbox").key(key).body(body).send().await.unwrap_err();
        assert_eq!(status(&put), 400, "{key:?}");
        let get = client.get_object().bucket("inbox").key(key).send().await.unwrap_err();
        assert_eq!(status(&get), 400, "{key:?}");
        let delete = client.delete_object().bucket("inbox").key(key).send().await.unwrap_err();
        assert_eq!(status(&delete), 400, "{key:?}");
    }
    assert_eq!(fs::read_to_string(home.path().join("secret")).unwrap(), "secret");
    assert!(!home.path().join("inbox").exists());
}

#[tokio::test]
async fn links_are_followed_only_inside_the_bucket() {
    let home = tempdir().unwrap();
    let (inside, outside) = (home.path().join("inbox"), home.path().join("outside"));
    fs::create_dir_all(&inside).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, inside.join("out")).unwrap();
    symlink(outside.join("secret"), inside.join("file")).unwrap();
    symlink("nowhere", inside.join("dangling")).unwrap();
    let client = clients::inbox(&inside);
    for key in ["out/secret", "file"] {
        let get = client.get_object().bucket("inbox").key(key).send().await.unwrap_err();
        assert_eq!(status(&get), 400, "{key}");
        let delete = client.delete_object().bucket("inbox").key(key).send().await.unwrap_err();
        assert_eq!(status(&delete), 400, "{key}");
    }
    for key in ["out/secret", "out/new", "file", "dangling/new"] {
        let body = ByteStream::from_static(b"harm");
        let put = client.put_object().bucket("inbox").key(key).body(body).send().await.unwrap_err();
        assert_eq!(status(&put), 400, "{key}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    put(&client, "real/a.csv", "1").await;
    symlink("real", inside.join("alias")).unwrap();
    assert_eq!(get(&client, "alias/a.csv").await.unwrap(), "1");
}

#[tokio::test]
async fn a_key_below_another_key_is_refused_without_a_server_error() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    put(&client, "a", "1").await;
    put(&client, "b/c", "2").await;
    for key in ["a/b", "a/b/c", "b"] {
        let put = client.put_object().bucket("inbox").key(key).send().await.unwrap_err();
        assert_eq!((status(&put), put.code()), (400, Some("InvalidArgument")), "{key}");
        assert_eq!(get(&client, key).await, None);
        client.delete_object().bucket("inbox").key(key).send().await.unwrap();
    }
    assert_eq!(get(&client, "a").await.unwrap() + &get(&client, "b/c").await.unwrap(), "12");
}

#[tokio::test]
async fn a_dry_run_reads_through_to_the_lower_folder_and_never_writes_to_it() {
    let home = tempdir().unwrap();
    let (upper, lower) = (home.path().join("upper"), home.path().join("lower"));
    let real = clients::inbox(&lower);
    let etag = put(&real, "a.csv", "lower").await;
    put(&real, "b.csv", "lower").await;
    put(&real, "file", "lower").await;
    let buckets = Buckets::new().bucket_over("inbox", &upper, &lower);
    let client = clients::s3(&Embedded::in_memory(buckets).unwrap());
    let new = client.put_object().bucket("inbox").key("a.csv").if_none_match("*").send().await;
    assert_eq!(status(&new.unwrap_err()), 412);
    let body = ByteStream::from_static(b"upper");
    client.put_object().bucket("inbox").key("a.csv").if_match(etag).body(body).send().await.unwrap();
    put(&client, "c.csv", "upper").await;
    assert_eq!(get(&client, "a.csv").await.unwrap(), "upper");
    assert_eq!(get(&client, "b.csv").await.unwrap(), "lower");
    let clash = client.put_object().bucket("inbox").key("file/below").send().await;
    assert_eq!(status(&clash.unwrap_err()), 400);
    let listed = client.list_objects_v2().bucket("inbox").send().await.unwrap();
    let keys: Vec<_> =
        listed.contents().iter().map(|object| (object.key().unwrap(), object.size())).collect();
    let five = Some(5);
    assert_eq!(keys, [("a.csv", five), ("b.csv", five), ("c.csv", five), ("file", five)]);
    for key in ["a.csv", "b.csv"] {
        client.delete_object().bucket("inbox").key(key).send().await.unwrap();
        assert_eq!(get(&client, key).await.unwrap(), "lower");
        assert_eq!(get(&real, key).await.unwrap(), "lower");
    }
    assert_eq!(get(&real, "c.csv").await, None);
    assert_eq!(fs::read_dir(&lower).unwrap().count(), 3);
}
