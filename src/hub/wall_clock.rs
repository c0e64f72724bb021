//! The wall clock, from which events have the times that a restart goes by. A test can stop it, so that it moves with the
//! clock of the runtime only.

use std::time::SystemTime;

/// The time now.
pub(super) fn now() -> SystemTime {
    #[cfg(test)]
    if let Some(stopped) = stopped::time() {
        return stopped;
    }
    SystemTime::now()
}

/// A moment as milliseconds since 1970; 0 before.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH);
    since_1970.map_or(0, |since| since.as_millis().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
pub(in crate::hub) use stopped::Stopped;

#[cfg(test)]
mod stopped {
    use std::cell::Cell;
    use std::time::{Duration, SystemTime};

    thread_local! {
        static TIME: Cell<Option<SystemTime>> = const { Cell::new(None) };
    }

    pub(super) fn time() -> Option<SystemTime> {
        TIME.get()
    }

    /// While it exists, this thread's wall clock stands still.
    pub(in crate::hub) struct Stopped(SystemTime);

    impl Stopped {
        pub(in crate::hub) fn new() -> Self {
            // Events have their times in whole milliseconds on disk, and later runs begin at whole ones, too.
            let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            TIME.set(Some(start));
            Self(start)
        }

        pub(in crate::hub) fn advance(&mut self, time: Duration) {
            self.0 += time;
            TIME.set(Some(self.0));
        }
    }

    impl Drop for Stopped {
        fn drop(&mut self) {
            TIME.set(None);
        }
    }
}
