//! A large object passes through in small pieces. Alone in its program, because the peak of memory is the
//! program's.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

mod clients;

use std::fs::{self, File};
use std::io::Write;

use aws_sdk_s3::primitives::ByteStream;
use tempfile::tempdir;

const SIZE: u64 = 200 * 1024 * 1024;
const CHUNK_MAX: usize = 64 * 1024;
const GROWTH_MAX_KB: u64 = 24 * 1024;

/// The most memory this program has had so far, in kilobytes.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn two_hundred_megabytes_stream_both_ways_in_bounded_memory() {
    let home = tempdir().unwrap();
    let client = clients::inbox(&home.path().join("inbox"));
    let source = home.path().join("source");
    let mut file = File::create(&source).unwrap();
    let block: Vec<u8> = (0..=u8::MAX).cycle().take(1024 * 1024).collect();
    for _ in 0..SIZE / block.len() as u64 {
        file.write_all(&block).unwrap();
    }
    let small = client.put_object().bucket("inbox").key("small").body(ByteStream::from_static(b"1"));
    small.send().await.unwrap();
    let before_kb = peak_kb();

    let body = ByteStream::from_path(&source).await.unwrap();
    let put = client.put_object().bucket("inbox").key("large").body(body).send().await.unwrap();
    let object = client.get_object().bucket("inbox").key("large").send().await.unwrap();
    assert_eq!(object.e_tag(), put.e_tag());
    let mut body = object.body;
    let mut size = 0;
    let mut chunk_max = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.unwrap();
        assert_eq!(usize::from(chunk[0]), size % 256);
        size += chunk.len();
        chunk_max = chunk_max.max(chunk.len());
    }
    assert_eq!(size as u64, SIZE);
    assert_eq!(chunk_max, CHUNK_MAX);
    let growth_kb = peak_kb() - before_kb;
    assert!(growth_kb < GROWTH_MAX_KB, "memory grew by {growth_kb} kB");
}
