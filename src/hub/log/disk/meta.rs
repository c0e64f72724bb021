//! The folder's own record: which epochs the ids belong to, and how the last run began and ended. It is a text file that is
//! replaced as a whole.
//!
//! ```text
//! fairwind log 1
//! epoch NAME FIRST-OFFSET      one for each epoch, in order
//! run SYNC BOOT                how the server that has the folder, or had it last, makes events durable; which boot it was
//! closed                       it has stopped, and everything is durable
//! crc CHECKSUM                 of all lines before
//! ```

use std::io;

use super::storage::Storage;
use crate::hub::position::{Epoch, Epochs, Offset};

const NAME: &str = "meta";
const NEW_NAME: &str = "meta.tmp";
const TITLE: &str = "fairwind log ";
const VERSION: u32 = 1;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) epochs: Epochs,
    /// Whether an event was durable before it was committed.
    pub(super) is_always_synced: bool,
    /// Names the boot of the machine; empty if the system has no name for it.
    pub(super) boot: String,
    pub(super) is_closed: bool,
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
    pub(super) fn read(storage: &dyn Storage) -> Result<Self, MetaError> {
        let file = match storage.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(MetaError::Missing);
            }
            Err(error) => return Err(MetaError::Io(error)),
        };
        let length = file.length().map_err(MetaError::Io)?;
        let mut bytes = vec![0; length.try_into().map_err(|_| MetaError::Damaged)?];
        file.read_at(0, &mut bytes).map_err(MetaError::Io)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| MetaError::Damaged)?;
        Self::parse(text)
    }

    /// Writes the file, durably.
    ///
    /// # Errors
    ///
    /// When that fails. The file is as it was then.
    pub(super) fn write(&self, storage: &dyn Storage) -> io::Result<()> {
        let file = storage.create(NEW_NAME)?;
        file.write_at(0, self.text().as_bytes())?;
        file.sync()?;
        storage.rename(NEW_NAME, NAME)?;
        storage.sync_names()
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
        text += &format!("run {sync} {}\n", self.boot);
        if self.is_closed {
            text += "closed\n";
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
        let mut is_closed = false;
        for line in content.lines().skip(1) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "epoch" => {
                    let (name, first) = rest.split_once(' ')?;
                    ranges.push((Epoch::new(name)?, Offset::from_number(first.parse().ok()?)));
                }
                "run" => {
                    let (sync, boot) = rest.split_once(' ')?;
                    run = Some((sync == "always", boot.to_owned()));
                }
                "closed" => is_closed = true,
                _ => return None,
            }
        }
        let (is_always_synced, boot) = run?;
        Some(Self {
            epochs: Epochs::of(ranges)?,
            is_always_synced,
            boot,
            is_closed,
        })
    }
}

/// Names this boot of the machine: a process that died has left its writes to the system, a machine that died has not. Empty
/// if the system has no name for it.
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
            boot: "b00t".to_owned(),
            is_closed: false,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let disk = SimulatedDisk::new(1);
        assert!(matches!(Meta::read(&disk), Err(MetaError::Missing)));
        for is_closed in [false, true] {
            for boot in ["b00t", ""] {
                let meta = Meta {
                    is_closed,
                    boot: boot.to_owned(),
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
