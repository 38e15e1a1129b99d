//! ETags, and writes and reads that depend on them.

#![allow(clippy::unwrap_used)]

mod clients;

use std::fs;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use tempfile::tempdir;

use crate::clients::{content, get, put, status};

#[tokio::test]
async fn a_file_edited_by_hand_changes_its_etag() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    let etag = put(&client, "config.toml", "one").await;
    for content in ["two", "six", "ten"] {
        // Same size, same inode and perhaps the same tick of the file system's clock.
        fs::write(home.path().join("config.toml"), content).unwrap();
        let object = client.get_object().bucket("inbox").key("config.toml").send().await.unwrap();
        assert_ne!(object.e_tag(), Some(etag.as_str()));
        assert_eq!(get(&client, "config.toml").await.unwrap(), content);
    }
    fs::write(home.path().join("config.toml"), "one").unwrap();
    let head = client.head_object().bucket("inbox").key("config.toml").send().await.unwrap();
    assert_eq!(head.e_tag(), Some(etag.as_str()));
}

#[tokio::test]
async fn a_remembered_etag_does_not_survive_an_edit_that_keeps_the_time() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    let path = home.path().join("config.toml");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let mut etags = Vec::new();
    for content in ["one", "two"] {
        fs::write(&path, content).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        for _ in 0..2 {
            let head = client.head_object().bucket("inbox").key("config.toml").send().await.unwrap();
            etags.push(head.e_tag.unwrap());
        }
        // Enough for the clock that stamps changes to move on.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(etags[0], etags[1]);
    assert_eq!(etags[2], etags[3]);
    assert_ne!(etags[0], etags[2]);
}

#[tokio::test]
async fn of_fifty_racing_conditional_puts_exactly_one_wins() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    for if_match in [None, Some(put(&client, "old.csv", "old").await)] {
        let tasks = (0..50).map(|number| {
            let key = if if_match.is_some() { "old.csv" } else { "new.csv" };
            let put = client.put_object().bucket("inbox").key(key).set_if_match(if_match.clone());
            let put = put.set_if_none_match(if_match.is_none().then(|| "*".to_owned()));
            // A body that waits lets the other tasks in between.
            let body = SdkBody::retryable(move || {
                let waiting = futures_util::stream::once(async move {
                    tokio::task::yield_now().await;
                    Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from(number.to_string())))
                });
                SdkBody::from_body_1_x(http_body_util::StreamBody::new(waiting))
            });
            let length = number.to_string().len().try_into().unwrap();
            tokio::spawn(put.content_length(length).body(ByteStream::new(body)).send())
        });
        let tasks: Vec<_> = tasks.collect();
        let mut winners = Vec::new();
        for (number, task) in tasks.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(_) => winners.push(number.to_string()),
                Err(error) => assert_eq!((status(&error), error.code()), (412, Some("PreconditionFailed"))),
            }
        }
        let key = if if_match.is_some() { "old.csv" } else { "new.csv" };
        assert_eq!(winners, [get(&client, key).await.unwrap()]);
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "temporary files are left");
}

#[tokio::test]
async fn conditions_hold_back_writes_and_deletes() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    let put_if_match = |key, etag: &str| client.put_object().bucket("inbox").key(key).if_match(etag).send();
    assert_eq!(put_if_match("missing.csv", "\"00\"").await.unwrap_err().code(), Some("NoSuchKey"));
    let etag = put(&client, "a.csv", "1").await;
    assert_eq!(status(&put_if_match("a.csv", "\"00\"").await.unwrap_err()), 412);
    assert_eq!(get(&client, "a.csv").await.unwrap(), "1");
    let delete = client.delete_object().bucket("inbox").key("a.csv");
    assert_eq!(status(&delete.clone().if_match("\"00\"").send().await.unwrap_err()), 412);
    put_if_match("a.csv", &etag).await.unwrap();
    assert_eq!(get(&client, "a.csv").await.unwrap(), "");
    assert_eq!(status(&delete.clone().if_match(&etag).send().await.unwrap_err()), 412);
    let other = client.put_object().bucket("inbox").key("a.csv").if_none_match("\"00\"").send().await;
    assert_eq!(status(&other.unwrap_err()), 501);
}

#[tokio::test]
async fn an_unchanged_object_is_not_sent_again() {
    let home = tempdir().unwrap();
    let client = clients::inbox(home.path());
    let etag = put(&client, "a.csv", "1").await;
    let get = client.get_object().bucket("inbox").key("a.csv");
    let error = get.clone().if_none_match(&etag).send().await.unwrap_err();
    assert_eq!(status(&error), 304);
    assert_eq!(error.raw_response().unwrap().headers().get("etag"), Some(etag.as_str()));
    let head = client.head_object().bucket("inbox").key("a.csv").if_none_match(&etag).send().await;
    assert_eq!(status(&head.unwrap_err()), 304);
    assert_eq!(content(get.clone().if_none_match("\"00\"").send().await.unwrap()).await, "1");
    assert_eq!(status(&get.clone().if_match("\"00\"").send().await.unwrap_err()), 412);
    assert_eq!(content(get.if_match(&etag).send().await.unwrap()).await, "1");
}

#[test]
fn writers_that_share_only_the_folder_have_one_winner_in_each_round() {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 20;
    let home = tempdir().unwrap();
    let start = std::sync::Barrier::new(WRITERS);
    let write = || {
        // Each has its own client and buckets, as another process would.
        let client = clients::inbox(home.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let put = async |round: usize| {
            let put = client.put_object().bucket("inbox").key(format!("{round}")).if_none_match("*");
            usize::from(put.send().await.is_ok())
        };
        let mut won = Vec::new();
        for round in 0..ROUNDS {
            start.wait();
            won.push(runtime.block_on(put(round)));
        }
        won
    };
    let won: Vec<Vec<usize>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..ROUNDS).map(|round| won.iter().map(|won| won[round]).sum()).collect();
    assert_eq!(winners, [1; ROUNDS]);
}
