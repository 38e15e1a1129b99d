//! Buckets as folders on disk, behind the S3 protocol.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use async_trait::async_trait;
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{ETAG, HeaderValue};
use s3s::dto::{
    CommonPrefix, DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, GetObjectInput,
    GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object as Listed, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::validation::{AwsNameValidation, NameValidation};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use crate::Error;
use crate::folder::{Folder, check_key, clash};
use crate::listing::{After, Listing};
use crate::object::Object;

/// The largest page of a listing, and the size where the request names none.
const MAX_KEYS: i32 = 1000;

/// The buckets of one machine: for each name a folder, where an object's key is its path.
///
/// People may add, edit and remove files by hand. An ETag is the MD5 of the content as it is now, so an
/// edit changes it. A write replaces the whole file and is on the disk when it is acknowledged. Conditions
/// are checked together with the write, also against other processes that use the same folder.
///
/// What differs from the service of AWS:
///
/// - A folder that does not exist is an empty bucket; the first write makes it.
/// - A key whose parts are empty, `.`, `..`, longer than 255 bytes, hold a backslash or control character,
///   or begin with `.bilag-tmp-` is refused, and so is a way through a symbolic link that leaves the
///   bucket's folder.
/// - `a` and `a/b` cannot both exist; the second is refused, also if only an empty folder `a` is left.
/// - Listings leave out every file and folder whose name begins with a dot (`.gitkeep`, `.DS_Store`), and
///   names that cannot be keys. An object with such a key can still be written and read.
/// - Content type, metadata and checksums sent with an object are not kept. Versions and multipart uploads
///   do not exist.
#[derive(Debug, Default)]
pub struct Buckets {
    buckets: BTreeMap<String, Bucket>,
}

/// One bucket; writes go to `upper`, and `lower` is seen through it.
#[derive(Debug)]
struct Bucket {
    upper: Folder,
    lower: Option<Folder>,
}

impl Buckets {
    /// No buckets yet.
    pub fn new() -> Buckets {
        Buckets::default()
    }

    /// Adds, or replaces, the bucket `name` kept in `folder`.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Buckets {
        let bucket = Bucket { upper: Folder::new(folder.into()), lower: None };
        self.buckets.insert(name.into(), bucket);
        self
    }

    /// Adds, or replaces, the bucket `name` for a dry run: reads look in `upper` and then in `lower`,
    /// listings show both, and only `upper` is ever written to.
    ///
    /// Conditions see what reads see. Deleting an object that is in `lower` has no effect: it stays to be
    /// seen.
    #[must_use]
    pub fn bucket_over(
        mut self,
        name: impl Into<String>,
        upper: impl Into<PathBuf>,
        lower: impl Into<PathBuf>,
    ) -> Buckets {
        let (upper, lower) = (Folder::new(upper.into()), Some(Folder::new(lower.into())));
        self.buckets.insert(name.into(), Bucket { upper, lower });
        self
    }

    /// Refuses names that no request could carry.
    pub(crate) fn check_names(&self) -> Result<(), Error> {
        let allowed = AwsNameValidation::new();
        match self.buckets.keys().find(|name| !allowed.validate_bucket_name(name)) {
            Some(name) => Err(Error::BucketName(name.clone())),
            None => Ok(()),
        }
    }

    fn find(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets
            .get(name)
            .ok_or_else(|| s3_error!(NoSuchBucket, "there is no bucket {name:?} on this machine"))
    }
}

impl Bucket {
    fn folders(&self) -> impl Iterator<Item = &Folder> {
        std::iter::once(&self.upper).chain(&self.lower)
    }

    fn open(&self, key: &str) -> S3Result<Option<Object>> {
        for folder in self.folders() {
            if let Some(object) = folder.open(key)? {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    fn open_to_read(
        &self,
        key: &str,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Object> {
        check_key(key)?;
        let object = self.open(key)?.ok_or_else(|| missing(key))?;
        if if_match.is_some_and(|condition| !meets(condition, &object.etag)) {
            return Err(precondition_failed("If-Match"));
        }
        if if_none_match.is_some_and(|condition| meets(condition, &object.etag)) {
            let mut error = s3_error!(NotModified);
            let etag = HeaderValue::try_from(format!("\"{}\"", object.etag));
            error.set_headers(HeaderMap::from_iter(etag.ok().map(|etag| (ETAG, etag))));
            return Err(error);
        }
        Ok(object)
    }

    /// Checks the conditions of a write against what is there now; the lock keeps it true until the write
    /// is done.
    fn check(
        &self,
        key: &str,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
        _lock: &File,
    ) -> S3Result<()> {
        if if_match.is_none() && if_none_match.is_none() {
            return Ok(());
        }
        let object = self.open(key)?;
        if let Some(condition) = if_match {
            let object = object.as_ref().ok_or_else(|| missing(key))?;
            if !meets(condition, &object.etag) {
                return Err(precondition_failed("If-Match"));
            }
        }
        if if_none_match.is_some() && object.is_some() {
            return Err(precondition_failed("If-None-Match"));
        }
        Ok(())
    }
}

#[async_trait]
impl S3 for Buckets {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        refuse_framed(&request.headers)?;
        let input = request.input;
        let bucket = self.find(&input.bucket)?;
        check_key(&input.key)?;
        if input.if_none_match.as_ref().is_some_and(|condition| !condition.is_any()) {
            return Err(s3_error!(NotImplemented, "a write knows only the condition If-None-Match: *"));
        }
        for folder in bucket.folders() {
            if folder.clashes(&input.key)? {
                return Err(clash(&input.key));
            }
        }
        let mut staged = bucket.upper.stage(&input.key)?;
        let mut body = input.body;
        while let Some(chunk) = next_chunk(&mut body).await? {
            staged.write(&chunk)?;
        }
        let size = staged.sync()?;
        if input.content_length.is_some_and(|promised| u64::try_from(promised) != Ok(size)) {
            return Err(s3_error!(IncompleteBody, "{size} bytes came, which is not the length promised"));
        }
        let lock = bucket.upper.lock()?;
        bucket.check(&input.key, input.if_match.as_ref(), input.if_none_match.as_ref(), &lock)?;
        let etag = bucket.upper.commit(staged, &lock)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..Default::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let bucket = self.find(&input.bucket)?;
        let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.as_ref());
        let object = bucket.open_to_read(&input.key, if_match, if_none_match)?;
        let size = object.size();
        let (part, content_range) = match input.range {
            None => (0..size, None),
            Some(range) => match range.check(size)? {
                part if part.is_empty() => return Err(s3_error!(InvalidRange)),
                part => (part.clone(), Some(format!("bytes {}-{}/{size}", part.start, part.end - 1))),
            },
        };
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(length(part.end - part.start)?),
            content_range,
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.modified_at.into()),
            body: Some(StreamingBlob::new(
                object.chunks(part.start, part.end).map_err(|error| s3_error!(InternalError, "{error}"))?,
            )),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let bucket = self.find(&input.bucket)?;
        let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.as_ref());
        let object = bucket.open_to_read(&input.key, if_match, if_none_match)?;
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(length(object.size())?),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.modified_at.into()),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let bucket = self.find(&input.bucket)?;
        check_key(&input.key)?;
        if bucket.upper.real_root()?.is_some() {
            let lock = bucket.upper.lock()?;
            bucket.check(&input.key, input.if_match.as_ref(), None, &lock)?;
            bucket.upper.remove(&input.key, &lock)?;
        } else if let Some(condition) = &input.if_match {
            bucket.open_to_read(&input.key, Some(condition), None)?;
        }
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let bucket = self.find(&input.bucket)?;
        if input.encoding_type.is_some() {
            return Err(s3_error!(NotImplemented, "listings do not encode keys; leave out encoding-type"));
        }
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let max_keys = input.max_keys.unwrap_or(MAX_KEYS).min(MAX_KEYS);
        let room = usize::try_from(max_keys)
            .map_err(|_| s3_error!(InvalidArgument, "max-keys must not be negative"))?;
        let mut after = match &input.continuation_token {
            Some(token) => After::from_token(token)
                .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not from a listing"))?,
            None => After::Key(input.start_after.clone().unwrap_or_default()),
        };
        let mut contents = Vec::new();
        let mut common_prefixes = Vec::new();
        let mut is_truncated = false;
        let mut listing = Listing::new(bucket.folders(), prefix, &after)?;
        while room > 0
            && let Some(found) = listing.next()?
        {
            if contents.len() + common_prefixes.len() == room {
                is_truncated = true;
                break;
            }
            if let Some(group) = group(&found.key, prefix, input.delimiter.as_deref()) {
                listing.skip(group);
                after = After::Prefix(group.to_owned());
                common_prefixes.push(CommonPrefix { prefix: Some(group.to_owned()) });
            } else if let Some(object) = found.folder.open(&found.key)? {
                after = After::Key(found.key.clone());
                contents.push(Listed {
                    key: Some(found.key),
                    size: Some(length(object.size())?),
                    last_modified: Some(object.modified_at.into()),
                    e_tag: Some(ETag::Strong(object.etag)),
                    ..Default::default()
                });
            }
        }
        let key_count = i32::try_from(contents.len() + common_prefixes.len()).unwrap_or(MAX_KEYS);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            start_after: input.start_after,
            continuation_token: input.continuation_token,
            max_keys: Some(max_keys),
            key_count: Some(key_count),
            is_truncated: Some(is_truncated),
            next_continuation_token: is_truncated.then(|| after.to_token()),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            ..Default::default()
        }))
    }
}

/// The next piece of what is being written, `None` at its end.
async fn next_chunk(body: &mut Option<StreamingBlob>) -> S3Result<Option<bytes::Bytes>> {
    let Some(body) = body else { return Ok(None) };
    body.next()
        .await
        .transpose()
        .map_err(|error| s3_error!(IncompleteBody, "the content to write could not be read: {error}"))
}

/// The part of `key` up to the first delimiter after the prefix, under which a listing groups it.
fn group<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// Refuses content that the client has wrapped in checksummed frames: without signatures nobody unwraps it,
/// and the frames would end up in the file.
fn refuse_framed(headers: &HeaderMap) -> S3Result<()> {
    let content = headers.get("x-amz-content-sha256").map_or(&b""[..], HeaderValue::as_bytes);
    if !content.starts_with(b"STREAMING-") {
        return Ok(());
    }
    Err(s3_error!(
        NotImplemented,
        "framed uploads are not understood; configure the client with \
         request_checksum_calculation(WhenRequired)"
    ))
}

fn meets(condition: &ETagCondition, etag: &str) -> bool {
    condition.as_etag().is_none_or(|wanted| wanted.value() == etag)
}

fn missing(key: &str) -> s3s::S3Error {
    s3_error!(NoSuchKey, "there is no object {key:?}")
}

fn precondition_failed(condition: &str) -> s3s::S3Error {
    s3_error!(PreconditionFailed, "the condition {condition} did not hold")
}

/// A size as the protocol writes it.
fn length(size: u64) -> S3Result<i64> {
    i64::try_from(size).map_err(|_| s3_error!(EntityTooLarge))
}
