//! What the S3 client sees of a bucket's listing.

#![allow(clippy::unwrap_used)]

mod clients;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use embedded::{Buckets, Embedded};
use tempfile::{TempDir, tempdir};

fn write(folder: &Path, keys: &[&str]) {
    for key in keys {
        let path = folder.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, key).unwrap();
    }
}

fn folder(keys: &[&str]) -> (TempDir, Client) {
    let home = tempdir().unwrap();
    write(home.path(), keys);
    let client = clients::inbox(home.path());
    (home, client)
}

/// Keys, then common prefixes, of one page.
fn seen(page: &ListObjectsV2Output) -> (Vec<String>, Vec<String>) {
    let keys = page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
    let prefixes = page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()).collect();
    (keys, prefixes)
}

async fn keys(request: ListObjectsV2FluentBuilder) -> Vec<String> {
    seen(&request.send().await.unwrap()).0
}

/// Everything over all pages, in the order it came.
async fn all(request: ListObjectsV2FluentBuilder) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = request.clone().set_continuation_token(token).send().await.unwrap();
        let (keys, prefixes) = seen(&page);
        assert_eq!(page.key_count(), i32::try_from(keys.len() + prefixes.len()).ok());
        found.extend(keys);
        found.extend(prefixes);
        assert_eq!(page.is_truncated() == Some(true), page.next_continuation_token().is_some());
        token = page.next_continuation_token;
        if token.is_none() {
            return found;
        }
    }
}

const KEYS: [&str; 11] =
    ["a!", "a-/x", "a.csv", "a/1", "a/1.csv", "a/2/deep/x", "a/é", "a0", "b/x", "c", "æ/ø"];

#[tokio::test]
async fn keys_come_in_byte_order_whatever_folders_they_lie_in() {
    let (_home, client) = folder(&KEYS);
    let page = client.list_objects_v2().bucket("inbox").send().await.unwrap();
    let mut sorted = KEYS.to_vec();
    sorted.sort_unstable();
    assert_eq!(seen(&page).0, sorted);
    assert_eq!((page.key_count(), page.is_truncated()), (Some(11), Some(false)));
    let first = &page.contents()[0];
    assert_eq!((first.key(), first.size()), (Some("a!"), Some(2)));
    let head = client.head_object().bucket("inbox").key("a!").send().await.unwrap();
    assert_eq!(first.e_tag(), head.e_tag());
}

#[tokio::test]
async fn pages_of_any_size_hold_each_key_once() {
    let (_home, client) = folder(&KEYS);
    let mut sorted = KEYS.to_vec();
    sorted.sort_unstable();
    for size in 1..=12 {
        assert_eq!(all(client.list_objects_v2().bucket("inbox").max_keys(size)).await, sorted, "{size}");
    }
    let none = client.list_objects_v2().bucket("inbox").max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
}

#[tokio::test]
async fn start_after_and_prefix_agree_with_a_filter_over_all_keys() {
    let (_home, client) = folder(&KEYS);
    let mut sorted = KEYS.to_vec();
    sorted.sort_unstable();
    for prefix in ["", "a", "a/", "a/1", "a/2/", "a/2/deep", "b", "b/x", "b/x/", "z", "æ", "/", "../", "a//"]
    {
        for after in ["", "a", "a/", "a/1", "a/2", "a/2/deep/x", "a0", "b/", "zz", "æ/ø"] {
            let wanted: Vec<_> =
                sorted.iter().filter(|key| key.starts_with(prefix) && **key > after).copied().collect();
            let request = client.list_objects_v2().bucket("inbox").prefix(prefix).start_after(after);
            assert_eq!(keys(request.clone()).await, wanted, "{prefix:?} {after:?}");
            assert_eq!(all(request.max_keys(2)).await, wanted, "{prefix:?} {after:?}");
        }
    }
}

#[tokio::test]
async fn a_delimiter_groups_keys_and_a_group_fills_one_place_of_a_page() {
    let (_home, client) = folder(&KEYS);
    let request = client.list_objects_v2().bucket("inbox").delimiter("/");
    let (found, groups) = seen(&request.clone().send().await.unwrap());
    assert_eq!(found, ["a!", "a.csv", "a0", "c"]);
    assert_eq!(groups, ["a-/", "a/", "b/", "æ/"]);
    assert_eq!(all(request.clone().max_keys(1)).await, ["a!", "a-/", "a.csv", "a/", "a0", "b/", "c", "æ/"]);
    let (found, groups) = seen(&request.clone().prefix("a/").send().await.unwrap());
    assert_eq!((found, groups), (vec!["a/1".into(), "a/1.csv".into(), "a/é".into()], vec!["a/2/".into()]));
    let (_, groups) = seen(&request.start_after("a/1").send().await.unwrap());
    assert_eq!(groups, ["a/", "b/", "æ/"]);
    let odd = client.list_objects_v2().bucket("inbox").delimiter("/x").send().await.unwrap();
    assert_eq!(seen(&odd).1, ["a-/x", "a/2/deep/x", "b/x"]);
}

#[tokio::test]
async fn hidden_and_temporary_files_are_left_out() {
    let (home, client) = folder(&["a.csv", ".gitkeep", "a/.DS_Store", ".hidden/b.csv", ".bilag-tmp-1-1"]);
    fs::write(home.path().join("back\\slash"), "").unwrap();
    fs::create_dir(home.path().join("empty")).unwrap();
    let request = client.list_objects_v2().bucket("inbox");
    assert_eq!(keys(request.clone()).await, ["a.csv"]);
    assert_eq!(seen(&request.clone().delimiter("/").send().await.unwrap()).1, [""; 0]);
    assert_eq!(keys(request.prefix(".hidden/")).await, [""; 0]);
}

#[tokio::test]
async fn a_bucket_whose_folder_is_missing_is_empty() {
    let home = tempdir().unwrap();
    let client = clients::inbox(&home.path().join("missing"));
    assert_eq!(keys(client.list_objects_v2().bucket("inbox")).await, [""; 0]);
    assert_eq!(keys(client.list_objects_v2().bucket("inbox").prefix("a/b/")).await, [""; 0]);
}

#[tokio::test]
async fn links_that_leave_the_bucket_or_run_in_circles_are_left_out() {
    let (home, client) = folder(&["inside/a.csv", "b.csv"]);
    let outside = tempdir().unwrap();
    write(outside.path(), &["secret"]);
    symlink(outside.path(), home.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), home.path().join("secret")).unwrap();
    symlink("nowhere", home.path().join("dangling")).unwrap();
    symlink(home.path(), home.path().join("inside/circle")).unwrap();
    symlink("inside", home.path().join("alias")).unwrap();
    let request = client.list_objects_v2().bucket("inbox");
    assert_eq!(keys(request.clone()).await, ["alias/a.csv", "b.csv", "inside/a.csv"]);
    let named = request.prefix("out/").send().await.unwrap_err();
    assert_eq!(named.raw_response().unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn two_folders_are_listed_as_one() {
    let (upper, lower) = (tempdir().unwrap(), tempdir().unwrap());
    write(upper.path(), &["a/1", "a/3", "b", "d/1"]);
    write(lower.path(), &["a/1", "a/2", "c", "d/2"]);
    fs::write(lower.path().join("a/1"), "longer than above").unwrap();
    let buckets = Buckets::new().bucket_over("inbox", upper.path(), lower.path());
    let client = clients::s3(&Embedded::in_memory(buckets).unwrap());
    let request = client.list_objects_v2().bucket("inbox");
    for size in 1..=7 {
        let found = all(request.clone().max_keys(size)).await;
        assert_eq!(found, ["a/1", "a/2", "a/3", "b", "c", "d/1", "d/2"], "{size}");
        let grouped = all(request.clone().delimiter("/").max_keys(size)).await;
        assert_eq!(grouped.len(), 4, "{size} {grouped:?}");
    }
    let page = request.send().await.unwrap();
    assert_eq!(page.contents()[0].size(), Some(3));
}

#[tokio::test]
async fn a_token_that_is_not_from_a_listing_is_refused() {
    let (_home, client) = folder(&KEYS);
    let request = client.list_objects_v2().bucket("inbox").continuation_token("made up");
    let error = request.send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
}
