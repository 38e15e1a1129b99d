//! Objects on their way from and to the disk, a small piece at a time.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::Stream;
use md5::{Digest, Md5};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Result, StdError};

use crate::folder::failed;

/// How much of an object is in memory at a time, in bytes.
const CHUNK: usize = 64 * 1024;

/// An object, open for reading.
pub(crate) struct Object {
    pub(crate) file: File,
    pub(crate) stamp: Stamp,
    /// When the content was last written.
    pub(crate) modified_at: SystemTime,
    /// MD5 of the content in hexadecimal digits, without quotes.
    pub(crate) etag: String,
}

/// A new object that is not yet visible. Dropped without [`Staged::rename`] it leaves nothing behind.
pub(crate) struct Staged {
    file: File,
    path: PathBuf,
    target: PathBuf,
    digest: Md5,
    size: u64,
    is_visible: bool,
}

/// What the file system says about a file's content without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Object {
    /// The object's size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.stamp.size
    }

    /// The bytes from `start` up to but not including `end`, read as they are asked for.
    pub(crate) fn chunks(mut self, start: u64, end: u64) -> io::Result<Chunks> {
        self.file.seek(SeekFrom::Start(start))?;
        Ok(Chunks { file: self.file, stamp: self.stamp, left: end - start })
    }
}

impl Staged {
    /// Begins a new object in an empty `file` at `path`, which will be renamed to `target`.
    pub(crate) fn new(file: File, path: PathBuf, target: PathBuf) -> Staged {
        Staged { file, path, target, digest: Md5::new(), size: 0, is_visible: false }
    }

    /// Adds to the end of the object.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> S3Result<()> {
        self.file.write_all(bytes).map_err(|error| failed(&self.target, error))?;
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Brings the content to the disk; returns its size in bytes.
    pub(crate) fn sync(&mut self) -> S3Result<u64> {
        self.file.sync_all().map_err(|error| failed(&self.target, error))?;
        Ok(self.size)
    }

    /// Puts the object in the place of the one that was there, durably; returns its ETag without quotes.
    pub(crate) fn rename(mut self) -> S3Result<String> {
        fs::rename(&self.path, &self.target).map_err(|error| failed(&self.target, error))?;
        self.is_visible = true;
        sync_parent(&self.target).map_err(|error| failed(&self.target, error))?;
        Ok(hexadecimal(&self.digest.clone().finalize()))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After the rename the name may already be another process's. Before, listings pass over what is
        // left.
        if !self.is_visible {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A part of an object as a stream of small chunks.
///
/// Ends in an error if the file was changed in place meanwhile, so that nobody takes a mixture for an object.
/// A replaced file is read to its end as it was.
pub(crate) struct Chunks {
    file: File,
    stamp: Stamp,
    left: u64,
}

impl Chunks {
    fn read(&mut self) -> io::Result<Bytes> {
        let size = usize::try_from(self.left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut chunk = vec![0; size];
        let read = self.file.read(&mut chunk)?;
        chunk.truncate(read);
        self.left -= read as u64;
        if read == 0 || (self.left == 0 && !self.stamp.same_content(&self.file.metadata()?)) {
            self.left = 0;
            return Err(io::Error::other("the file was changed while it was being read; read it again"));
        }
        Ok(Bytes::from(chunk))
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = self.read();
        if chunk.is_err() {
            self.left = 0;
        }
        Poll::Ready(Some(chunk.map_err(StdError::from)))
    }
}

impl ByteStream for Chunks {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.left).map_or(RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

impl Stamp {
    /// What is true of the file now.
    pub(crate) fn of(metadata: &fs::Metadata) -> Stamp {
        Stamp {
            size: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the content is as it was. Being replaced changes only the time of change.
    fn same_content(&self, metadata: &fs::Metadata) -> bool {
        let now = Stamp::of(metadata);
        self.size == now.size && self.modified == now.modified
    }
}

/// Reads the file to its end; whoever reads it after that has to go back first.
pub(crate) fn hash(file: &mut File) -> io::Result<String> {
    let mut digest = Md5::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(hexadecimal(&digest.finalize()));
        }
        digest.update(&chunk[..read]);
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes it durable that a file or folder was made, renamed or removed.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
