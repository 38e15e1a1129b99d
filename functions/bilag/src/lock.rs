//! One process works on a home at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use edge::Error;

/// How long a process that took the lock is given to write its name, and how many times.
const MOMENT: Duration = Duration::from_millis(200);
const LOOKS: u32 = 10;

/// The lock of a home, held as long as this lives. The operating system frees it when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
    worker: String,
    /// Workers that held the home before and died; their claims can lapse at once. They stay in the file until
    /// [`Lock::lapsed`], so that whoever dies or ends before that leaves them to the next.
    pub dead: Vec<String>,
}

/// Why a home cannot be locked.
#[derive(Debug)]
pub enum Refused {
    /// Another process holds it; the text says which.
    Held(String),
    /// The lock file cannot be used.
    Failed(Error),
}

impl Lock {
    /// Takes the lock at `path` for `worker`, waiting for it if `wait`.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the process that holds it.
    pub fn take(path: &Path, worker: &str, wait: bool) -> Result<Lock, Refused> {
        let failed = |error| Refused::Failed(Error::file("cannot use the lock", path, error));
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if wait => file.lock().map_err(failed)?,
            Err(TryLockError::WouldBlock) => {
                return Err(Refused::Held(holder(&mut file).map_err(failed)?));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let before = read(&mut file).map_err(failed)?;
        let dead: Vec<String> = before.split_whitespace().map(str::to_owned).collect();
        let mut lock = Lock { file, worker: worker.to_owned(), dead };
        lock.write(&format!("{worker} {}", lock.dead.join(" "))).map_err(failed)?;
        Ok(lock)
    }

    /// Forgets the dead workers, whose claims have lapsed.
    ///
    /// # Errors
    ///
    /// If the lock file cannot be written.
    pub fn lapsed(&mut self) -> Result<(), Error> {
        self.dead.clear();
        let worker = self.worker.clone();
        self.write(&worker).map_err(|error| Error::retry("cannot write the lock file").because(error))
    }

    /// Replaces the first line by one write, so that whoever dies here leaves the old names or the new ones. What is
    /// longer of the old ones stands behind the line until it is cut off.
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        let line = match text.trim() {
            "" => String::new(),
            names => format!("{names}\n"),
        };
        self.file.rewind()?;
        self.file.write_all(line.as_bytes())?;
        self.file.set_len(line.len() as u64)?;
        self.file.sync_data()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Failing to erase the name only costs a look at the claims next time.
        let left = self.dead.join(" ");
        let _ = self.write(&left);
    }
}

/// The process that holds the lock. It writes its name a moment after it took the lock, so the file is looked at after
/// that moment, and again while there is no name.
fn holder(file: &mut File) -> std::io::Result<String> {
    for _ in 0..LOOKS {
        std::thread::sleep(MOMENT);
        let line = read(file)?;
        if let Some(pid) = line.split('-').next().filter(|pid| !pid.is_empty()) {
            return Ok(pid.to_owned());
        }
    }
    Ok("unknown".to_owned())
}

/// The first line, without its end.
fn read(file: &mut File) -> std::io::Result<String> {
    file.rewind()?;
    let mut text = String::new();
    file.take(10_000).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
