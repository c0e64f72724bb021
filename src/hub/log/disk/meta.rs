//! The folder's own record: which epochs the ids belong to, and how the last run began and ended. It is a text file that is
//! replaced as a whole.
//!
//! ```text
//! fairwind log 1
//! epoch NAME FIRST-OFFSET      one for each epoch, in order
//! run SYNC BOOT FOLDER         how the server that has the folder, or had it last, makes events durable; which boot of which
//!                              machine it was; and the folder, by which a start recognizes a copy
//! closed OFFSET                it has stopped, and everything is durable up to this offset
//! crc CHECKSUM                 of all lines before
//! ```

use std::io;

use super::storage::{Storage, read_whole, replace};
use crate::hub::position::{Epoch, Epochs, Offset};

const NAME: &str = "meta";
const TITLE: &str = "fairwind log ";
const VERSION: u32 = 1;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) epochs: Epochs,
    /// Whether an event was durable before it was committed.
    pub(super) is_always_synced: bool,
    pub(super) run: Run,
    /// The newest offset, if the last run has closed the log.
    pub(super) closed_at: Option<Offset>,
}

/// What tells one run from another that has the same files: each is empty if the system has no name for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// Names the boot of the machine: a process that has died has left its writes to the system, a machine has not.
    pub(super) boot: String,
    /// Names the folder; see [`Storage::identity`].
    pub(super) folder: String,
}

impl Run {
    /// A run with a folder, on this machine as it has been booted.
    pub(super) fn of(storage: &dyn Storage, boot: &str) -> Self {
        Self {
            boot: boot.to_owned(),
            folder: storage.identity(),
        }
    }
}

/// Why the file says nothing.
#[derive(Debug)]
pub(super) enum MetaError {
    Io(io::Error),
    Missing,
    Damaged,
    /// It is of a later version.
    Version(String),
}

impl Meta {
    /// Whether everything that was ever committed must be in the folder, for a run that opens it now. The original of a copy
    /// may have gone on.
    pub(super) fn proves_all(&self, now: &Run) -> bool {
        let is_same_boot = !now.boot.is_empty() && self.run.boot == now.boot;
        let was_durable = self.closed_at.is_some() || self.is_always_synced || is_same_boot;
        was_durable && self.run.folder == now.folder
    }

    pub(super) fn read(storage: &dyn Storage) -> Result<Self, MetaError> {
        let bytes = match read_whole(storage, NAME) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(MetaError::Missing);
            }
            Err(error) => return Err(MetaError::Io(error)),
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| MetaError::Damaged)?;
        Self::parse(text)
    }

    /// Writes the file, durably.
    ///
    /// # Errors
    ///
    /// When that fails. The file is as it was then.
    pub(super) fn write(&self, storage: &dyn Storage) -> io::Result<()> {
        replace(storage, NAME, self.text().as_bytes())
    }

    fn text(&self) -> String {
        let mut text = format!("{TITLE}{VERSION}\n");
        for (epoch, first) in self.epochs.ranges() {
            text += &format!("epoch {} {}\n", epoch.as_str(), first.number());
        }
        let sync = if self.is_always_synced {
            "always"
        } else {
            "later"
        };
        let Run { boot, folder } = &self.run;
        text += &format!("run {sync} {} {}\n", word(boot), word(folder));
        if let Some(newest) = self.closed_at {
            text += &format!("closed {}\n", newest.number());
        }
        let crc = crc32fast::hash(text.as_bytes());
        text + &format!("crc {crc:08x}\n")
    }

    pub(super) fn parse(text: &str) -> Result<Self, MetaError> {
        let version = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(TITLE));
        if let Some(version) = version
            && version.parse().is_ok_and(|version: u32| version > VERSION)
        {
            return Err(MetaError::Version(version.to_owned()));
        }
        Self::parse_lines(text).ok_or(MetaError::Damaged)
    }

    fn parse_lines(text: &str) -> Option<Self> {
        let content = &text[..text.rfind("crc ")?];
        if text != format!("{content}crc {:08x}\n", crc32fast::hash(content.as_bytes())) {
            return None;
        }
        let mut ranges = Vec::new();
        let mut run = None;
        let mut closed_at = None;
        for line in content.lines().skip(1) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "epoch" => {
                    let (name, first) = rest.split_once(' ')?;
                    ranges.push((Epoch::new(name)?, Offset::from_number(first.parse().ok()?)));
                }
                "run" => {
                    let (sync, rest) = rest.split_once(' ')?;
                    let (boot, folder) = rest.split_once(' ')?;
                    let [boot, folder] = [boot, folder].map(from_word);
                    run = Some((sync == "always", Run { boot, folder }));
                }
                "closed" => closed_at = Some(Offset::from_number(rest.parse().ok()?)),
                _ => return None,
            }
        }
        let (is_always_synced, run) = run?;
        Some(Self {
            epochs: Epochs::of(ranges)?,
            is_always_synced,
            run,
            closed_at,
        })
    }
}

/// A name as one word of a line.
fn word(name: &str) -> &str {
    if name.is_empty() { "-" } else { name }
}

fn from_word(word: &str) -> String {
    if word == "-" {
        String::new()
    } else {
        word.to_owned()
    }
}

/// Names this boot of the machine; empty if the system has no name for it.
pub(super) fn this_boot() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    name.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::simulated::SimulatedDisk;
    use super::*;

    fn meta() -> Meta {
        let mut epochs = Epochs::new(Epoch::new("a").expect("a name"));
        let second = Epoch::new("b").expect("a name");
        epochs.begin(second, Offset::from_number(7)).expect("later");
        Meta {
            epochs,
            is_always_synced: true,
            run: Run {
                boot: "b00t".to_owned(),
                folder: String::new(),
            },
            closed_at: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let disk = SimulatedDisk::new(1);
        assert!(matches!(Meta::read(&disk), Err(MetaError::Missing)));
        for closed_at in [None, Some(Offset::from_number(9))] {
            for boot in ["b00t", ""] {
                let run = Run {
                    boot: boot.to_owned(),
                    folder: "f".to_owned(),
                };
                let meta = Meta {
                    closed_at,
                    run,
                    ..meta()
                };
                meta.write(&disk).expect("a file");
                assert_eq!(Meta::read(&disk).expect("the file"), meta);
            }
        }
    }

    #[test]
    fn a_later_version_is_named_and_damage_is_noticed() {
        let text = meta().text();
        let later = text.replace("log 1", "log 2");
        assert!(matches!(Meta::parse(&later), Err(MetaError::Version(version)) if version == "2"));
        for (from, to) in [
            ("epoch a", "epoch c"),
            ("always", "later"),
            ("\nrun", "\nr"),
            ("crc ", "crd "),
        ] {
            let damaged = text.replace(from, to);
            assert!(
                matches!(Meta::parse(&damaged), Err(MetaError::Damaged)),
                "{damaged}"
            );
        }
        assert!(matches!(Meta::parse(""), Err(MetaError::Damaged)));
    }
}
