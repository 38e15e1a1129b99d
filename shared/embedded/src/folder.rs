//! One folder on disk that holds objects: a key is the path below the folder.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use s3s::{S3Error, S3Result, s3_error};

use crate::object::{Object, Staged, Stamp, hash, sync_parent};

/// How the name of a file begins that is still being written.
pub(crate) const TEMPORARY: &str = ".bilag-tmp-";

/// File systems stamp changes with a grain of up to this long: a younger file may change again without a
/// trace, so its ETag is computed at every read.
const GRAIN: Duration = Duration::from_secs(2);

/// How many ETags are remembered before the memory is emptied.
const ETAGS_MAX: usize = 20_000;

static TEMPORARY_COUNT: AtomicU64 = AtomicU64::new(0);

/// A folder that holds objects. It need not exist before the first write.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    etags: Mutex<HashMap<PathBuf, (Stamp, String)>>,
}

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Folder {
        Folder { root, etags: Mutex::default() }
    }

    /// The folder's own path without symbolic links, `None` if it does not exist.
    pub(crate) fn real_root(&self) -> S3Result<Option<PathBuf>> {
        existing(&self.root, self.root.canonicalize())
    }

    /// Where the file or folder at `key` really is, `None` if there is none.
    pub(crate) fn locate(&self, key: &str) -> S3Result<Option<PathBuf>> {
        let Some(root) = self.real_root()? else {
            return Ok(None);
        };
        let path = root.join(key);
        let Some(real) = existing(&path, path.canonicalize())? else {
            return Ok(None);
        };
        if real.starts_with(&root) { Ok(Some(real)) } else { Err(outside(&path)) }
    }

    /// Opens the object at `key`, `None` if there is none.
    pub(crate) fn open(&self, key: &str) -> S3Result<Option<Object>> {
        let Some(path) = self.locate(key)? else {
            return Ok(None);
        };
        // Asked before opening, because opening a pipe would wait for its writer.
        match existing(&path, path.metadata())? {
            Some(metadata) if metadata.is_file() => {}
            _ => return Ok(None),
        }
        let Some(mut file) = existing(&path, File::open(&path))? else {
            return Ok(None);
        };
        let read = self.read_etag(&path, &mut file);
        let (stamp, modified_at, etag) = read.map_err(|error| failed(&path, error))?;
        Ok(Some(Object { file, stamp, modified_at, etag }))
    }

    fn read_etag(&self, path: &Path, file: &mut File) -> io::Result<(Stamp, SystemTime, String)> {
        let metadata = file.metadata()?;
        let stamp = Stamp::of(&metadata);
        let modified_at = metadata.modified()?;
        if let Some((known, etag)) = self.etags().get(path)
            && *known == stamp
        {
            return Ok((stamp, modified_at, etag.clone()));
        }
        let etag = hash(file)?;
        let settled = SystemTime::now().duration_since(modified_at).is_ok_and(|age| age > GRAIN);
        if settled && Stamp::of(&file.metadata()?) == stamp {
            let mut etags = self.etags();
            if etags.len() >= ETAGS_MAX {
                etags.clear();
            }
            etags.insert(path.to_owned(), (stamp, etag.clone()));
        }
        Ok((stamp, modified_at, etag))
    }

    fn etags(&self) -> MutexGuard<'_, HashMap<PathBuf, (Stamp, String)>> {
        self.etags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an object at `key` would need a file and a folder of the same name.
    pub(crate) fn clashes(&self, key: &str) -> S3Result<bool> {
        for (end, _) in key.match_indices('/') {
            match self.locate(&key[..end])? {
                Some(path) if path.is_dir() => {}
                Some(_) => return Ok(true),
                None => return Ok(false),
            }
        }
        Ok(self.locate(key)?.is_some_and(|path| path.is_dir()))
    }

    /// Begins a new object at `key`, making the folders above it.
    pub(crate) fn stage(&self, key: &str) -> S3Result<Staged> {
        let folder = self.make_parents(key)?;
        let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
        loop {
            // A killed process with the same id may have left the same name behind.
            let count = TEMPORARY_COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{TEMPORARY}{}-{count}", process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, error)),
                Ok(file) => {
                    let target = folder.join(name);
                    return Ok(Staged::new(file, path, target));
                }
            }
        }
    }

    /// Makes the folders above `key` durably and returns the innermost one.
    fn make_parents(&self, key: &str) -> S3Result<PathBuf> {
        make_folders(&self.root).map_err(|error| failed(&self.root, error))?;
        let root = self.root.canonicalize().map_err(|error| failed(&self.root, error))?;
        let mut folder = root.clone();
        let parents = key.rsplit_once('/').map_or("", |(parents, _)| parents);
        for segment in parents.split_terminator('/') {
            let child = folder.join(segment);
            make_folder(&child).map_err(|error| failed(&child, error))?;
            folder = match child.canonicalize() {
                Ok(real) if real.starts_with(&root) => real,
                Ok(_) => return Err(outside(&child)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Err(outside(&child)),
                Err(error) => return Err(failed(&child, error)),
            };
        }
        Ok(folder)
    }

    /// Holds off every other writer of this folder, in this process and in others, until the answer is
    /// dropped.
    ///
    /// The folder must exist. Whoever edits files by hand knows nothing of it.
    pub(crate) fn lock(&self) -> S3Result<File> {
        let lock = File::open(&self.root).and_then(|file| file.lock().map(|()| file));
        lock.map_err(|error| failed(&self.root, error))
    }

    /// Makes a staged object visible and durable, in place of the one that was there; returns its ETag.
    pub(crate) fn commit(&self, staged: Staged, _lock: &File) -> S3Result<String> {
        staged.rename()
    }

    /// Removes the object at `key` durably; without one, nothing happens.
    pub(crate) fn remove(&self, key: &str, _lock: &File) -> S3Result<()> {
        let path = self.root.join(key);
        if !self.locate(key)?.is_some_and(|real| real.is_file()) {
            return Ok(());
        }
        let removed = fs::remove_file(&path).and_then(|()| sync_parent(&path));
        existing(&path, removed).map(|_| ())
    }
}

/// Refuses keys that have no honest place below a folder.
pub(crate) fn check_key(key: &str) -> S3Result<()> {
    for segment in key.split('/') {
        if segment.len() > 255 {
            return Err(s3_error!(KeyTooLongError, "a part of the key is longer than 255 bytes"));
        }
        if !is_segment(segment) || segment.starts_with(TEMPORARY) {
            return Err(s3_error!(
                InvalidArgument,
                "key {key:?} is not allowed in a folder: the part {segment:?} is empty, `.` or `..`, \
                 begins with {TEMPORARY} or holds a backslash or control character"
            ));
        }
    }
    Ok(())
}

/// Whether `name` can stand between two slashes of a key.
pub(crate) fn is_segment(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(|c: char| c == '\\' || c.is_control())
}

/// The refusal of a key whose name is taken by a folder, or below a file.
pub(crate) fn clash(key: &str) -> S3Error {
    s3_error!(
        InvalidArgument,
        "key {key:?} needs a file and a folder of the same name; \
         on one machine `a` and `a/b` cannot both exist"
    )
}

/// Turns a failure on a path into the answer of the S3 protocol.
pub(crate) fn failed(path: &Path, error: io::Error) -> S3Error {
    let path = path.display();
    match error.kind() {
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::DirectoryNotEmpty => {
            clash(&path.to_string())
        }
        ErrorKind::PermissionDenied => s3_error!(AccessDenied, "{path}: {error}"),
        _ => s3_error!(InternalError, "{path}: {error}"),
    }
}

/// The value, or `None` where there is no such file.
pub(crate) fn existing<T>(path: &Path, result: io::Result<T>) -> S3Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(failed(path, error)),
    }
}

fn outside(path: &Path) -> S3Error {
    s3_error!(InvalidArgument, "{}: a symbolic link leads out of the bucket's folder", path.display())
}

fn make_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folders(parent)?;
    }
    make_folder(path)
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
