//! A home folder: configuration, inbox, archive, output and state, and the World over them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use edge::http::{Hosts, Sockets};
use edge::secret::SecretsFile;
use edge::vault::KeyFile;
use edge::{Error, Invoke, Kind, Places, SystemClock, World};
use embedded::{Buckets, Embedded};
use store::item::{CLAIMED, ConfigItem, FileError};
use store::{Key, Table, bucket};

use crate::lock::{Lock, Refused};
use crate::out::Failure;

/// Functions and keys that were dispatched and wait for this process to work on them.
#[derive(Debug, Default)]
pub struct Dispatched(Mutex<Vec<(String, String)>>);

impl Dispatched {
    /// Takes what has been dispatched since the last call.
    pub fn take(&self) -> Vec<(String, String)> {
        self.0.lock().map(|mut keys| std::mem::take(&mut *keys)).unwrap_or_default()
    }
}

#[async_trait]
impl Invoke for Dispatched {
    async fn invoke(&self, function: &str, keys: &[String]) -> Result<(), Error> {
        let mut waiting = self.0.lock().map_err(|_| Error::bug("the dispatch list is lost"))?;
        waiting.extend(keys.iter().map(|key| (function.to_owned(), key.clone())));
        Ok(())
    }
}

/// Where the files of a home lie that are no buckets.
struct Files {
    table: PathBuf,
    /// The key that tokens are sealed with.
    key: PathBuf,
    secrets: PathBuf,
    /// Extra roots of trust (PEM), such as those of a company's own proxy; may be missing.
    roots: PathBuf,
    out: PathBuf,
}

/// An opened home.
pub struct Home {
    /// Everything that the functions need.
    pub world: World,
    /// What the dispatcher handed over.
    pub dispatched: Arc<Dispatched>,
    /// The home is a copy that is thrown away: vouchers are written on paper.
    pub rehearsal: bool,
    lock: Option<Lock>,
    _scratch: tempfile::TempDir,
}

impl Home {
    /// Opens a home for work: takes its lock, opens its store, and lets the claims of a process that died lapse.
    ///
    /// # Errors
    ///
    /// [`Failure`] with exit 2 if this is no home, 3 if another process holds it or it cannot be opened.
    pub async fn open(root: &Path, wait: bool) -> Result<Home, Failure> {
        is_home(root)?;
        let state = root.join("state");
        std::fs::create_dir_all(&state)
            .map_err(|error| Failure::from(Error::file("cannot make", &state, error)))?;
        let worker = worker();
        let lock = lock(&state, &worker, wait)?;
        let buckets = Buckets::new()
            .bucket("config", root.join("config"))
            .bucket("inbox", root.join("inbox"))
            .bucket("archive", root.join("archive"))
            .bucket("verdicts", &state);
        let scratch = scratch()?;
        let places = Files {
            table: state.join("store.db"),
            key: state.join("key"),
            secrets: root.join("secrets.toml"),
            roots: root.join("roots.pem"),
            out: root.join("out"),
        };
        let mut home = Home::start(places, buckets, (worker, Some(lock), scratch)).await?;
        home.lapse_claims_of_the_dead().await?;
        Ok(home)
    }

    async fn lapse_claims_of_the_dead(&mut self) -> Result<(), Error> {
        let companies = self.companies().await?;
        let Some(lock) = self.lock.as_mut().filter(|lock| !lock.dead.is_empty()) else { return Ok(()) };
        for dead in &lock.dead {
            for company in &companies {
                store::posting::lapse(&self.world, company, dead).await?;
                Table::of(&self.world).lapse(company, CLAIMED, dead).await?;
            }
        }
        lock.lapsed()
    }

    /// Opens a copy of a home's state that is thrown away: everything works, nothing in the home changes.
    ///
    /// # Errors
    ///
    /// As [`Home::open`].
    pub async fn rehearse(root: &Path, wait: bool) -> Result<Home, Failure> {
        is_home(root)?;
        let (state, worker) = (root.join("state"), worker());
        let lock = if state.join("lock").exists() { Some(lock(&state, &worker, wait)?) } else { None };
        Home::copied(root, worker, lock).await
    }

    /// As [`Home::rehearse`], in the process that holds the home while nobody works on it.
    ///
    /// # Errors
    ///
    /// As [`Home::rehearse`].
    pub async fn rehearse_served(root: &Path) -> Result<Home, Failure> {
        Home::copied(root, worker(), None).await
    }

    async fn copied(root: &Path, worker: String, lock: Option<Lock>) -> Result<Home, Failure> {
        let state = root.join("state");
        let scratch = scratch()?;
        let copy = scratch.path().join("copy");
        let failed = |error| Failure::from(Error::file("cannot copy the state to", &copy, error));
        std::fs::create_dir_all(&copy).map_err(failed)?;
        for name in ["store.db", "store.db-wal", "key"] {
            if state.join(name).exists() {
                std::fs::copy(state.join(name), copy.join(name)).map_err(failed)?;
            }
        }
        let buckets = Buckets::new()
            .bucket("config", root.join("config"))
            .bucket("inbox", root.join("inbox"))
            .bucket_over("archive", copy.join("archive"), root.join("archive"))
            .bucket_over("verdicts", copy.join("verdicts"), &state);
        let places = Files {
            table: copy.join("store.db"),
            key: copy.join("key"),
            secrets: root.join("secrets.toml"),
            roots: root.join("roots.pem"),
            out: copy.join("out"),
        };
        let mut home = Home::start(places, buckets, (worker, lock, scratch)).await?;
        home.rehearsal = true;
        Ok(home)
    }

    async fn start(
        files: Files,
        buckets: Buckets,
        (worker, lock, scratch): (String, Option<Lock>, tempfile::TempDir),
    ) -> Result<Home, Failure> {
        let places = Places::of_one_machine();
        if !files.table.exists() {
            make_store(&files.table, &places).await?;
        }
        let clients = clients(&open_store(&files.table, buckets)?);
        let dispatched = Arc::new(Dispatched::default());
        let invoker: Arc<dyn Invoke> = Arc::<Dispatched>::clone(&dispatched);
        let folders = (Some(files.out), scratch.path().to_owned());
        let roots = std::fs::read(&files.roots).ok();
        let http = Sockets::new(roots.as_deref()).map_err(|error| error.within(files.roots.display()))?;
        let vault = KeyFile::open(&files.key)?;
        let world = World::new(Arc::new(SystemClock), clients, places, invoker, worker, folders)
            .reaching(Arc::new(http), Hosts::Loopback)
            .trusting(Arc::new(SecretsFile(files.secrets)), Arc::new(vault));
        Ok(Home { world, dispatched, rehearsal: false, lock, _scratch: scratch })
    }

    /// The mapping files of the config folder, by name.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed.
    pub async fn mapping_files(&self) -> Result<Vec<String>, Error> {
        let listed = bucket::list(&self.world, &self.world.places.config, "").await?;
        let files = listed.into_iter().map(|object| object.key);
        // Editors and file managers leave hidden files beside those that people write.
        let named = |key: &String| key.ends_with(".toml") && !key.contains('/') && !key.starts_with('.');
        Ok(files.filter(named).collect())
    }

    /// The companies, by their mapping files and by the verdicts on files that are gone since. A file that was never
    /// valid and is gone leaves no company behind.
    ///
    /// # Errors
    ///
    /// If a folder cannot be listed, or the store does not answer.
    pub async fn companies(&self) -> Result<Vec<String>, Error> {
        let files = self.mapping_files().await?;
        let mut names: BTreeSet<&str> = files.iter().filter_map(|file| file.strip_suffix(".toml")).collect();
        let verdicts = bucket::list(&self.world, &self.world.places.verdicts, "verdicts/").await?;
        let judged = verdicts
            .iter()
            .filter_map(|verdict| verdict.key.strip_prefix("verdicts/")?.strip_suffix(".json"));
        let table = Table::of(&self.world);
        for company in judged {
            if !names.contains(company) && table.get::<ConfigItem>(&Key::config(company)).await?.is_some() {
                names.insert(company);
            }
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// The files of the inbox that lie in no connection's folder, and where they belong. Hidden files are not meant.
    ///
    /// # Errors
    ///
    /// If the inbox cannot be listed, or the store does not answer.
    pub async fn misplaced(&self) -> Result<Vec<(String, FileError)>, Error> {
        let mut configs = BTreeMap::new();
        for company in self.companies().await? {
            let config = check_config::in_force(&self.world, &company).await?.map(|(_, config)| config);
            configs.insert(company, config);
        }
        let known: Vec<String> = (configs.iter())
            .flat_map(|(company, config)| config.iter().map(move |config| (company, config)))
            .flat_map(|(company, config)| {
                config.connections.keys().map(move |name| format!("inbox/{company}/{name}/"))
            })
            .collect();
        let mut misplaced = Vec::new();
        for object in bucket::list(&self.world, &self.world.places.inbox, "").await? {
            let key = object.key;
            if import_file::is_hidden(&key) {
                continue;
            }
            let what = match key.split_once('/') {
                None => {
                    "the file lies in no company's folder; move it into that of its connection".to_owned()
                }
                Some((company, _)) => match configs.get(company) {
                    Some(Some(config)) => {
                        misplaced.extend(import_file::misplaced(&key, config).map(|error| (key, error)));
                        continue;
                    }
                    // The mapping file has never been valid: that is told where it is judged.
                    Some(None) => continue,
                    None => format!(
                        "there is no config/{company}.toml, so nothing here is read; write one, or move the file into \
                         the folder of its connection"
                    ),
                },
            };
            let cause = if known.is_empty() { what } else { format!("{what}: {}", known.join(", ")) };
            misplaced.push((key, FileError { at: "folder".to_owned(), cause }));
        }
        Ok(misplaced)
    }

    /// The company and settlement that `[<company>/]<provider>:[<scope>:]<id>` names; the company may be left out
    /// when there is one.
    ///
    /// # Errors
    ///
    /// If the name is none, or the company cannot be told.
    pub async fn settlement(&self, text: &str) -> Result<(String, ledger::Name), Error> {
        let companies = self.companies().await?;
        let (company, name) = match (text.split_once('/'), companies.as_slice()) {
            (Some((company, name)), _) => (company.to_owned(), name),
            (None, [only]) => (only.clone(), text),
            (None, _) => {
                return Err(Error::config(format!(
                    "this home has {} companies; write <company>/{text}",
                    companies.len()
                )));
            }
        };
        let name = ledger::Name::parse(name).ok_or_else(|| {
            Error::config(format!(
                "\"{text}\" names no settlement; write <company>/<provider>:<id>, as status prints it"
            ))
        })?;
        Ok((company, name))
    }
}

fn worker() -> String {
    format!("{}-{}", std::process::id(), chrono::Utc::now().timestamp_micros())
}

fn scratch() -> Result<tempfile::TempDir, Failure> {
    tempfile::Builder::new()
        .prefix("bilag-")
        .tempdir()
        .map_err(|error| Failure::from(Error::file("cannot make a folder in", &std::env::temp_dir(), error)))
}

fn is_home(root: &Path) -> Result<(), Failure> {
    if root.join("config").is_dir() {
        return Ok(());
    }
    let what = if root.exists() { "has no config folder, so it is no home" } else { "does not exist" };
    Err(Failure::from(Error::new(
        Kind::Config,
        format!("{} {what}; make one with: bilag init HOME", root.display()),
    )))
}

fn open_store(path: &Path, buckets: Buckets) -> Result<Embedded, Failure> {
    Embedded::open(path, buckets)
        .map_err(|error| Failure::from(Error::retry("the store cannot be opened").because(error)))
}

fn clients(store: &Embedded) -> edge::Clients {
    let credentials = aws_credential_types::Credentials::new("local", "local", None, None, "local");
    let endpoint = Some("http://local".to_owned());
    edge::clients(store.http_client(), "local", credentials, (endpoint.clone(), endpoint))
}

/// Makes an empty store beside its place and moves it there when it is whole, so that whoever dies meanwhile leaves
/// none.
async fn make_store(path: &Path, places: &Places) -> Result<(), Failure> {
    let new = path.with_extension("new");
    let log = path.with_extension("new-wal");
    for left in [&new, &log, &path.with_extension("new-shm")] {
        match std::fs::remove_file(left) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("cannot remove", left, error).into());
            }
            _ => {}
        }
    }
    {
        let clients = clients(&open_store(&new, Buckets::new())?);
        let invoker: Arc<dyn Invoke> = Arc::new(Dispatched::default());
        let folders = (None, std::env::temp_dir());
        let world = World::new(Arc::new(SystemClock), clients, places.clone(), invoker, worker(), folders);
        Table::of(&world).create_if_missing().await?;
    }
    // The database empties its log into the file as it closes.
    if log.exists() {
        return Err(Error::bug(format!("{} was not closed", new.display())).into());
    }
    let failed = |error| Failure::from(Error::file("cannot make the store", path, error));
    std::fs::rename(&new, path).map_err(failed)?;
    // The name has to outlive a crash of the machine, as all that is written under it does.
    match path.parent() {
        Some(folder) => std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed),
        None => Ok(()),
    }
}

fn lock(state: &Path, worker: &str, wait: bool) -> Result<Lock, Failure> {
    Lock::take(&state.join("lock"), worker, wait).map_err(|refused| match refused {
        Refused::Held(pid) => Failure::busy(format!(
            "process {pid} holds this home ({}); wait until it ends, or use --wait-lock",
            state.display()
        )),
        Refused::Failed(error) => Failure::from(error),
    })
}
