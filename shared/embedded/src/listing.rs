//! Walks through folders in the order of keys, reading only the folders that a page of a listing needs.

use std::path::{Path, PathBuf};

use s3s::S3Result;

use crate::folder::{Folder, existing, failed, is_segment};

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// After this key; the empty key is the beginning.
    Key(String),
    /// After all keys that begin with this.
    Prefix(String),
}

impl After {
    /// The text from which [`After::from_token`] makes the same place again.
    pub(crate) fn to_token(&self) -> String {
        match self {
            After::Key(key) => format!("key:{key}"),
            After::Prefix(prefix) => format!("prefix:{prefix}"),
        }
    }

    /// Reads a continuation token, `None` if it is not one of ours.
    pub(crate) fn from_token(token: &str) -> Option<After> {
        match token.split_once(':')? {
            ("key", key) => Some(After::Key(key.to_owned())),
            ("prefix", prefix) => Some(After::Prefix(prefix.to_owned())),
            _ => None,
        }
    }

    fn admits(&self, key: &str) -> bool {
        match self {
            After::Key(after) => key > after.as_str(),
            After::Prefix(prefix) => key > prefix.as_str() && !key.starts_with(prefix.as_str()),
        }
    }

    /// Whether a key that begins with `folder`, which ends in a slash, may be admitted.
    fn admits_within(&self, folder: &str) -> bool {
        match self {
            After::Key(after) => folder > after.as_str() || after.starts_with(folder),
            After::Prefix(prefix) => self.admits(folder) || prefix.starts_with(folder) && prefix != folder,
        }
    }
}

/// The objects of one or two folders as one ordered sequence. Of two objects with the same key the one in the
/// first folder is seen.
pub(crate) struct Listing<'a> {
    walks: Vec<Walk<'a>>,
}

/// One object of a listing.
pub(crate) struct Listed<'a> {
    /// The object's key.
    pub(crate) key: String,
    /// The folder it was found in.
    pub(crate) folder: &'a Folder,
}

impl<'a> Listing<'a> {
    /// The objects whose key begins with `prefix`, from `after` on.
    pub(crate) fn new(
        folders: impl IntoIterator<Item = &'a Folder>,
        prefix: &str,
        after: &After,
    ) -> S3Result<Listing<'a>> {
        let walks = folders.into_iter().map(|folder| Walk::new(folder, prefix, after.clone()));
        Ok(Listing { walks: walks.collect::<S3Result<_>>()? })
    }

    /// The next object, in the byte order of keys.
    pub(crate) fn next(&mut self) -> S3Result<Option<Listed<'a>>> {
        let mut first: Option<(&str, &'a Folder)> = None;
        for walk in &mut self.walks {
            walk.fill()?;
            if let Some(key) = walk.head.as_deref()
                && first.is_none_or(|(smallest, _)| key < smallest)
            {
                first = Some((key, walk.folder));
            }
        }
        let Some((key, folder)) = first else {
            return Ok(None);
        };
        let key = key.to_owned();
        for walk in &mut self.walks {
            walk.head.take_if(|head| *head == key);
        }
        Ok(Some(Listed { key, folder }))
    }

    /// Passes over all objects up to and including those whose key begins with `prefix`.
    pub(crate) fn skip(&mut self, prefix: &str) {
        let after = After::Prefix(prefix.to_owned());
        for walk in &mut self.walks {
            walk.head.take_if(|head| !after.admits(head));
            walk.after = after.clone();
        }
    }
}

/// One folder's objects in the byte order of keys.
struct Walk<'a> {
    folder: &'a Folder,
    prefix: String,
    after: After,
    head: Option<String>,
    /// The folders from the outermost to the one being walked.
    levels: Vec<Level>,
}

struct Level {
    real: PathBuf,
    /// What is left to see, the next one last.
    entries: Vec<Entry>,
}

struct Entry {
    /// A key, or the beginning of keys: a folder's ends in a slash, which puts it at its place in their
    /// order.
    key: String,
    real: PathBuf,
}

impl<'a> Walk<'a> {
    fn new(folder: &'a Folder, prefix: &str, after: After) -> S3Result<Walk<'a>> {
        let prefix = prefix.to_owned();
        let mut walk = Walk { folder, prefix, after, head: None, levels: Vec::new() };
        // Everything listed lies below the folder that the prefix names, so the walk begins there.
        let above = walk.prefix.rsplit_once('/').map_or("", |(above, _)| above).to_owned();
        let is_relative = !walk.prefix.starts_with('/');
        if is_relative && (above.is_empty() || above.split('/').all(is_listed)) {
            let base = if above.is_empty() { folder.real_root()? } else { folder.locate(&above)? };
            let key = if above.is_empty() { above } else { above + "/" };
            if let Some(real) = base.filter(|base| base.is_dir()) {
                walk.enter(&key, real)?;
            }
        }
        Ok(walk)
    }

    /// Looks for the next object, unless it is there already.
    fn fill(&mut self) -> S3Result<()> {
        while self.head.is_none() {
            let Some(level) = self.levels.last_mut() else {
                return Ok(());
            };
            let Some(entry) = level.entries.pop() else {
                self.levels.pop();
                continue;
            };
            if entry.key.ends_with('/') {
                let wanted = entry.key.starts_with(&self.prefix) || self.prefix.starts_with(&entry.key);
                if wanted && self.after.admits_within(&entry.key) {
                    self.enter(&entry.key, entry.real)?;
                }
            } else if entry.key.starts_with(&self.prefix) && self.after.admits(&entry.key) {
                self.head = Some(entry.key);
            }
        }
        Ok(())
    }

    fn enter(&mut self, key: &str, real: PathBuf) -> S3Result<()> {
        // A link to a folder that is being walked would have no end.
        if self.levels.iter().any(|level| level.real == real) {
            return Ok(());
        }
        let mut entries = self.read(key, &real)?;
        entries.sort_unstable_by(|left, right| right.key.cmp(&left.key));
        self.levels.push(Level { real, entries });
        Ok(())
    }

    fn read(&self, key: &str, path: &Path) -> S3Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let Some(found) = existing(path, path.read_dir())? else {
            return Ok(entries);
        };
        for entry in found {
            let entry = entry.map_err(|error| failed(path, error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| is_listed(name)) else {
                continue;
            };
            let key = format!("{key}{name}");
            let mut kind = entry.file_type().map_err(|error| failed(path, error))?;
            let mut real = entry.path();
            if kind.is_symlink() {
                // One that leads out of the bucket, or nowhere, is no object.
                let Ok(Some(target)) = self.folder.locate(&key) else {
                    continue;
                };
                let Some(metadata) = existing(&target, target.metadata())? else {
                    continue;
                };
                (kind, real) = (metadata.file_type(), target);
            }
            if kind.is_dir() {
                entries.push(Entry { key: key + "/", real });
            } else if kind.is_file() {
                entries.push(Entry { key, real });
            }
        }
        Ok(entries)
    }
}

/// Whether a file or folder of this name is part of listings. Hidden ones are not: they belong to the
/// system or to an editor, or are still being written.
fn is_listed(name: &str) -> bool {
    is_segment(name) && !name.starts_with('.')
}
