//! One error shape for everything that can go wrong at the edge.

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Try again later.
    Retry,
    /// Credentials were refused.
    Auth,
    /// The credentials are valid and lack a right.
    Permission,
    /// The configuration or the call is wrong.
    Config,
    /// Refused for good.
    Rejected,
    /// A fault in bilag.
    Bug,
}

/// An error: its kind and a message that names the thing, the cause and the remedy, never a secret.
#[derive(Debug)]
pub struct Error {
    /// What it means for the caller.
    pub kind: Kind,
    /// For [`Kind::Retry`]: how long to wait at least, where the other side said so.
    pub after: Option<std::time::Duration>,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without a source.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, after: None, message: message.into(), source: None }
    }

    /// Something that may work later.
    pub fn retry(message: impl Into<String>) -> Error {
        Error::new(Kind::Retry, message)
    }

    /// Credentials that are missing or refused.
    pub fn auth(message: impl Into<String>) -> Error {
        Error::new(Kind::Auth, message)
    }

    /// The same error, to be tried again only after this time.
    pub fn after(mut self, wait: std::time::Duration) -> Error {
        self.after = Some(wait);
        self
    }

    /// The same error told from further out: `what` in front of its message.
    pub fn within(mut self, what: impl std::fmt::Display) -> Error {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Something that a person must put right.
    pub fn config(message: impl Into<String>) -> Error {
        Error::new(Kind::Config, message)
    }

    /// A fault in bilag.
    pub fn bug(message: impl Into<String>) -> Error {
        Error::new(Kind::Bug, message)
    }

    /// The same error with what caused it.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// A failed file operation.
    pub fn file(what: &str, path: &std::path::Path, error: std::io::Error) -> Error {
        Error::retry(format!("{what} {}", path.display())).because(error)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        let mut source = self.source.as_deref().map(|source| source as &dyn std::error::Error);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl<E, R> From<aws_smithy_runtime_api::client::result::SdkError<E, R>> for Error
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    fn from(error: aws_smithy_runtime_api::client::result::SdkError<E, R>) -> Error {
        Error::retry("the store did not answer as expected").because(error)
    }
}
