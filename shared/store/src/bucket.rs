//! Objects: whole ones into memory, files streamed from and to disk.

use std::io::Write as _;
use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use edge::{Error, World};
use sha2::{Digest as _, Sha256};

/// The most bytes that are read into memory as one object.
const WHOLE_MAX: usize = 64 << 20;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// The ETag, with its quotes.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// All objects whose keys begin with `prefix`, in key order.
///
/// # Errors
///
/// If the bucket does not answer.
pub async fn list(world: &World, bucket: &str, prefix: &str) -> Result<Vec<Listed>, Error> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let request = world.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        let page = request.set_continuation_token(token.take()).send().await?;
        for object in page.contents() {
            found.push(Listed {
                key: object.key().unwrap_or_default().to_owned(),
                etag: object.e_tag().unwrap_or_default().to_owned(),
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            });
        }
        match page.next_continuation_token {
            Some(next) if page.is_truncated == Some(true) => token = Some(next),
            _ => return Ok(found),
        }
    }
}

/// A whole object with its ETag, or `None` if there is none.
///
/// # Errors
///
/// If the bucket does not answer or the object is larger than 64 MB.
pub async fn get(world: &World, bucket: &str, key: &str) -> Result<Option<(Vec<u8>, String)>, Error> {
    let answer = match world.s3.get_object().bucket(bucket).key(key).send().await {
        Ok(answer) => answer,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::from(error)),
    };
    let etag = answer.e_tag().unwrap_or_default().to_owned();
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| Error::retry(format!("{bucket}/{key} broke off")).because(error))?;
        if bytes.len() + part.len() > WHOLE_MAX {
            return Err(Error::config(format!("{bucket}/{key} is larger than 64 MB")));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Some((bytes, etag)))
}

/// Writes an object, replacing what is there.
///
/// # Errors
///
/// If the bucket does not answer.
pub async fn put(world: &World, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), Error> {
    world.s3.put_object().bucket(bucket).key(key).body(ByteStream::from(bytes)).send().await?;
    Ok(())
}

/// Writes an object whose key is made from its content; one that is there already is left alone.
///
/// # Errors
///
/// If the bucket does not answer.
pub async fn put_once(world: &World, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), Error> {
    once(world.s3.put_object().bucket(bucket).key(key).body(ByteStream::from(bytes))).await
}

/// Writes a file as an object whose key is made from its content.
///
/// # Errors
///
/// If the file cannot be read or the bucket does not answer.
pub async fn put_file_once(world: &World, bucket: &str, key: &str, path: &Path) -> Result<(), Error> {
    let body =
        ByteStream::from_path(path).await.map_err(|error| Error::retry("a scratch file").because(error))?;
    once(world.s3.put_object().bucket(bucket).key(key).body(body)).await
}

async fn once(
    request: aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder,
) -> Result<(), Error> {
    match request.if_none_match("*").send().await {
        Ok(_) => Ok(()),
        Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 412) => {
            Ok(())
        }
        Err(error) => Err(Error::from(error)),
    }
}

/// Streams an object to a file and returns its ETag and SHA-256; `None` if there is no such object.
///
/// # Errors
///
/// If the bucket does not answer or the file cannot be written.
pub async fn fetch(
    world: &World,
    bucket: &str,
    key: &str,
    path: &Path,
) -> Result<Option<(String, String)>, Error> {
    let answer = match world.s3.get_object().bucket(bucket).key(key).send().await {
        Ok(answer) => answer,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::from(error)),
    };
    let etag = answer.e_tag().unwrap_or_default().to_owned();
    let failed = |error| Error::file("cannot write the scratch file", path, error);
    let mut file = std::fs::File::create(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut body = answer.body;
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| Error::retry(format!("{bucket}/{key} broke off")).because(error))?;
        hash.update(&part);
        file.write_all(&part).map_err(failed)?;
    }
    Ok(Some((etag, ledger::voucher::hex(&hash.finalize()))))
}

/// The ETag of an object, or `None` if there is none.
///
/// # Errors
///
/// If the bucket does not answer.
pub async fn etag(world: &World, bucket: &str, key: &str) -> Result<Option<String>, Error> {
    match world.s3.head_object().bucket(bucket).key(key).send().await {
        Ok(answer) => Ok(Some(answer.e_tag().unwrap_or_default().to_owned())),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found()) => Ok(None),
        Err(error) => Err(Error::from(error)),
    }
}
