//! A folder of a test's own on the disk of the build. It is removed when the test passes, and stays when it fails.

use std::path::{Path, PathBuf};

/// The folder. It does not exist until the server creates it.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub fn new(name: &str) -> Self {
        let name = format!("fairwind-{name}-{:x}", fastrand::u64(..));
        Self {
            path: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The flag that names it.
    #[allow(dead_code)]
    pub fn flag(&self) -> String {
        format!("--data={}", self.path.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the folder is left as it is: {}", self.path.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
