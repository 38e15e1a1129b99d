//! The local endpoint of `bilag serve`: other commands on the same home hand their arguments in and get the output.
//!
//! It is a socket in the home's state folder, mode 0600: whoever may open the home may open it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use edge::Error;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::out::Failure;
use crate::serve::Served;

/// The largest command line that is read.
const COMMAND_MAX: u64 = 64 * 1024;

/// What a command printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The exit code.
    pub exit: u8,
    /// Standard output.
    pub stdout: String,
    /// Standard error; empty if all went well.
    pub stderr: String,
}

/// Carries out a command line on a home that is served.
pub type Execute = fn(Rc<Served>, Vec<String>) -> Pin<Box<dyn Future<Output = Done>>>;

/// The open socket; the file goes with it.
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
}

fn path(root: &Path) -> PathBuf {
    root.join("state").join("serve.sock")
}

impl Door {
    /// Opens the socket of a home whose lock this process holds.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn open(root: &Path) -> Result<Door, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = path(root);
        let failed = |error| Failure::from(Error::file("cannot open the socket", &path, error));
        // The lock is ours, so a file that is there belongs to a process that died.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(failed)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Door { listener, path })
    }

    /// Answers for ever.
    pub async fn answer(&self, served: Rc<Served>, execute: Execute) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let served = Rc::clone(&served);
            tokio::task::spawn_local(async move {
                if let Err(error) = one(stream, served, execute).await {
                    tracing::warn!(%error, "a command was not answered");
                }
            });
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn one(stream: UnixStream, served: Rc<Served>, execute: Execute) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(COMMAND_MAX).read_line(&mut line).await?;
    let arguments: Vec<String> = serde_json::from_str(&line).map_err(std::io::Error::other)?;
    let done = execute(served, arguments).await;
    let mut answer = serde_json::to_vec(&done).map_err(std::io::Error::other)?;
    answer.push(b'\n');
    stream.get_mut().write_all(&answer).await
}

/// Has the process that serves the home carry out a command line; `None` if no process does.
///
/// # Errors
///
/// If the process ends before it has answered.
pub async fn ask(root: &Path, arguments: &[String]) -> Result<Option<Done>, Failure> {
    let Ok(mut stream) = UnixStream::connect(path(root)).await else { return Ok(None) };
    let broken = |error: std::io::Error| {
        Failure::from(
            Error::retry("the process that serves this home did not answer; try again").because(error),
        )
    };
    let mut command = serde_json::to_vec(arguments).map_err(|error| broken(error.into()))?;
    command.push(b'\n');
    stream.write_all(&command).await.map_err(broken)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(broken)?;
    serde_json::from_slice(&answer).map(Some).map_err(|error| broken(error.into()))
}
