//! What the log needs of a folder: files that are created, appended to, made durable, renamed and removed. [`Folder`] is one
//! on the file system; the tests have one in memory that loses what a power cut would lose.
//!
//! A file's bytes are durable after [`StoredFile::sync`], its name after [`Storage::sync_names`]. Nothing else is promised.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;

/// A folder of files.
pub trait Storage: Send + Sync + 'static {
    /// The names of all files.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Creates an empty file, in place of one that has the name.
    ///
    /// # Errors
    ///
    /// When it cannot be created.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StoredFile>>;

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be read.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>>;

    /// Renames a file, in place of one that has the new name.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Those that have it open can go on reading.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Names the folder itself, so that a copy of its files can be told from it; empty if the system has no name for it.
    fn identity(&self) -> String;

    /// Makes durable which names there are, and which files they stand for.
    ///
    /// # Errors
    ///
    /// When that fails. What is durable is unknown then.
    fn sync_names(&self) -> io::Result<()>;
}

/// An open file.
pub trait StoredFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    fn length(&self) -> io::Result<u64>;

    /// Fills the buffer from a position on.
    ///
    /// # Errors
    ///
    /// When the file has not so many bytes, or cannot be read.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes bytes at a position.
    ///
    /// # Errors
    ///
    /// When some of them cannot be written. Others may have been.
    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file off.
    ///
    /// # Errors
    ///
    /// When that fails.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes durable what has been written.
    ///
    /// # Errors
    ///
    /// When that fails. What is durable is unknown then, and another call may succeed without making it durable.
    fn sync(&self) -> io::Result<()>;
}

/// Reads a whole file.
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub(super) fn read_whole(storage: &dyn Storage, name: &str) -> io::Result<Vec<u8>> {
    let file = storage.open(name)?;
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Replaces a file by one with these bytes, durably.
///
/// # Errors
///
/// When that fails. The file is as it was then, and another one may be left whose name ends with `.tmp`.
pub(super) fn replace(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new_name = format!("{name}.tmp");
    let file = storage.create(&new_name)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    storage.rename(&new_name, name)?;
    storage.sync_names()
}

/// A folder on the file system, locked against other processes.
pub struct Folder {
    path: PathBuf,
    /// Open for syncing the names.
    folder: Option<File>,
    /// Holds the lock.
    _lock: Option<File>,
}

/// The file whose lock shows that a server uses the folder.
const LOCK: &str = "lock";

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process uses it.
    #[error(
        "{} is in use by another process: stop it, or choose another folder with --data", .0.display()
    )]
    InUse(PathBuf),
    /// The system refuses.
    #[error("cannot use {}: {error}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl Folder {
    /// Opens a folder for one process to write, and creates it if there is none.
    ///
    /// # Errors
    ///
    /// [`FolderError`] if another process has it open, or it cannot be created, read or written.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let wrong = |error| FolderError::Io {
            path: path.to_owned(),
            error,
        };
        std::fs::create_dir_all(path).map_err(wrong)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let lock = options.open(path.join(LOCK)).map_err(wrong)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(wrong(error)),
        }
        let folder = Self {
            path: path.to_owned(),
            folder: open_folder(path),
            _lock: Some(lock),
        };
        // The folder's own name is durable from now on, if the system lets folders be synced.
        if let Some(parent) = path.parent().and_then(open_folder) {
            parent.sync_all().map_err(wrong)?;
        }
        folder.sync_names().map_err(wrong)?;
        Ok(folder)
    }

    /// A folder to look at, whether a server uses it or not. Nothing in it is changed.
    pub fn for_reading(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            folder: None,
            _lock: None,
        }
    }
}

/// The folder itself as a file; nothing on systems that have no such thing.
fn open_folder(path: &Path) -> Option<File> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path).ok()
}

impl Storage for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            // The log's own files have names in ASCII.
            if let Ok(name) = entry?.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).read(true).write(true);
        let file = options.open(self.path.join(name))?;
        Ok(Arc::new(Mutex::new(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = File::open(self.path.join(name))?;
        Ok(Arc::new(Mutex::new(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    /// When its lock was created: a copy's is later.
    fn identity(&self) -> String {
        let created = std::fs::metadata(self.path.join(LOCK)).and_then(|lock| lock.created());
        let since_1970 = created
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        since_1970.map_or_else(String::new, |since| format!("{:x}", since.as_nanos()))
    }

    fn sync_names(&self) -> io::Result<()> {
        match &self.folder {
            Some(folder) => folder.sync_all(),
            None => Ok(()),
        }
    }
}

impl StoredFile for Mutex<File> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.lock().metadata()?.len())
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut file = self.lock();
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(buffer)
    }

    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.lock();
        file.seek(SeekFrom::Start(position))?;
        file.write_all(bytes)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.lock().set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.lock().sync_data()
    }
}
