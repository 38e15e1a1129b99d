//! Seals what the table keeps of tokens: only who holds the key can read it.

use std::path::Path;

use async_trait::async_trait;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::Error;

/// Seals and opens small secrets.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Seals bytes for a purpose, such as the key of the item that will hold them.
    ///
    /// # Errors
    ///
    /// If the key cannot be used now.
    async fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, Error>;

    /// Opens what was sealed for the same purpose.
    ///
    /// # Errors
    ///
    /// If the key cannot be used now, or the bytes were sealed otherwise.
    async fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, Error>;
}

/// No key at all.
#[derive(Debug)]
pub struct NoVault;

#[async_trait]
impl Vault for NoVault {
    async fn seal(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::config("this place has no key to seal tokens with"))
    }

    async fn open(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::config("this place has no key to open tokens with"))
    }
}

/// A key in a file of one machine, mode 0600, made when first needed. AES-256-GCM with a random nonce in front.
pub struct KeyFile(LessSafeKey);

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyFile")
    }
}

impl KeyFile {
    /// Opens the key file, or makes it.
    ///
    /// # Errors
    ///
    /// If the file cannot be made, read, or is no key.
    pub fn open(path: &Path) -> Result<KeyFile, Error> {
        let failed = |error| Error::file("cannot use the key file", path, error);
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = vec![0; 32];
                SystemRandom::new()
                    .fill(&mut bytes)
                    .map_err(|_| Error::bug("the machine gives no random numbers"))?;
                write_private(path, &bytes).map_err(failed)?;
                bytes
            }
            Err(error) => return Err(failed(error)),
        };
        KeyFile::of(&bytes).map_err(|_| {
            Error::config(format!(
                "{} is no key of 32 bytes; remove it, and tokens are fetched again",
                path.display()
            ))
        })
    }

    /// A vault with a given key of 32 bytes.
    ///
    /// # Errors
    ///
    /// If the key has another length.
    pub fn of(key: &[u8]) -> Result<KeyFile, Error> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Error::config("a key has 32 bytes"))?;
        Ok(KeyFile(LessSafeKey::new(key)))
    }
}

/// Writes a file that only its owner reads, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let part = path.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

#[async_trait]
impl Vault for KeyFile {
    async fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::bug("a token cannot be sealed");
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(failed)?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(failed)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    async fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = || Error::auth("a stored token cannot be opened: it was sealed under another key");
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let mut bytes = rest.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        let plain = self.0.open_in_place(nonce, aad, &mut bytes).map_err(|_| failed())?;
        Ok(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_is_sealed_opens_for_its_purpose_only() {
        let vault = KeyFile::of(&[7; 32]).unwrap();
        let sealed = vault.seal("one", b"token").await.unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"token"));
        assert_eq!(vault.open("one", &sealed).await.unwrap(), b"token");
        assert!(vault.open("two", &sealed).await.is_err());
        assert!(vault.open("one", &sealed[..5]).await.is_err());
        assert!(KeyFile::of(&[8; 32]).unwrap().open("one", &sealed).await.is_err());
    }

    #[test]
    fn the_key_file_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        KeyFile::open(&path).unwrap();
        let first = std::fs::read(&path).unwrap();
        KeyFile::open(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, b"short").unwrap();
        assert!(KeyFile::open(&path).is_err());
    }
}
