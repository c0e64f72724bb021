//! The log's way to standard error. Lines wait in memory until a thread of its own has written them, so that a full disk, a
//! reader that is gone or stuck, or a paused terminal stops, slows and fails nothing but the log. Lines that find no room
//! or cannot be written are dropped and counted; as soon as writing works again, a line says how many they were.
//!
//! `tracing-appender` has such a writer too. It does not count lines that could not be written, and at the end of the
//! process it reports its own failures to standard output and standard error, where they block or panic.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// How much may wait to be written, in bytes. While it is written, as much again may wait.
const MAX_WAITING_BYTES: usize = 1_024 * 1_024;

/// How long the thread waits before it tries again to write to a standard error that does not block.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Takes lines from any thread; clones share the queue. Each call of [`Write::write`] takes whole lines, and neither fails
/// nor waits for what is behind it.
#[derive(Clone)]
pub(super) struct LogWriter(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Something waits to be written, or the queue is closed, or the thread has finished.
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    is_closed: bool,
    is_finished: bool,
}

impl LogWriter {
    /// Starts the thread that writes what is put in.
    ///
    /// # Errors
    ///
    /// When the system has no more threads to give.
    pub(super) fn start(to: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let output = Output {
            shared: Arc::clone(&shared),
            to,
            reported: 0,
            is_line_open: false,
        };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || output.run())?;
        Ok(Self(shared))
    }

    /// Takes some lines, or drops them if too much waits already.
    pub(super) fn put(&self, lines: &[u8]) {
        let mut queue = self.0.queue.lock();
        if queue.text.len() + lines.len() > MAX_WAITING_BYTES {
            drop(queue);
            self.0.count_dropped(lines);
            return;
        }
        queue.text.extend_from_slice(lines);
        drop(queue);
        self.0.changed.notify_all();
    }

    /// How many lines have been dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything has been written, but not longer than this. Then the thread ends.
    pub(super) fn finish(&self, within: Duration) {
        let mut queue = self.0.queue.lock();
        queue.is_closed = true;
        self.0.changed.notify_all();
        let is_running = |queue: &mut Queue| !queue.is_finished;
        // If the time is over, what is left is lost.
        let _ = self
            .0
            .changed
            .wait_while_for(&mut queue, is_running, within);
    }
}

impl Write for LogWriter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.put(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn count_dropped(&self, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Waits for lines and swaps them with the empty buffer. `false` when the queue is closed and empty.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        let mut queue = self.queue.lock();
        let has_nothing = |queue: &mut Queue| queue.text.is_empty() && !queue.is_closed;
        self.changed.wait_while(&mut queue, has_nothing);
        std::mem::swap(&mut queue.text, batch);
        !batch.is_empty()
    }
}

/// The thread's side.
struct Output<To> {
    shared: Arc<Shared>,
    to: To,
    /// How many of the dropped lines a line has been written about.
    reported: u64,
    /// Writing failed in the middle of a line.
    is_line_open: bool,
}

impl<To: Write> Output<To> {
    fn run(mut self) {
        let mut batch = Vec::new();
        while self.shared.take(&mut batch) {
            let written = if self.report() { self.write(&batch) } else { 0 };
            self.shared.count_dropped(&batch[written..]);
            batch.clear();
            batch.shrink_to(MAX_WAITING_BYTES / 16);
        }
        self.report();
        self.shared.queue.lock().is_finished = true;
        self.shared.changed.notify_all();
    }

    /// Writes how many lines have been dropped, if any have been since it was written last. `false` if it cannot be
    /// written.
    fn report(&mut self) -> bool {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if dropped == self.reported && !self.is_line_open {
            return true;
        }
        let mut line = String::new();
        if self.is_line_open {
            line.push('\n');
        }
        // Writing into a string cannot fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut line));
        let count = dropped - self.reported;
        line.push_str(&format!(
            "  WARN fairwind: {count} lines of the log were dropped, since they could not be written\n"
        ));
        let is_written = self.write(line.as_bytes()) == line.len();
        if is_written {
            self.reported = dropped;
        }
        is_written
    }

    /// Writes as much as it can; returns how many bytes that was.
    fn write(&mut self, text: &[u8]) -> usize {
        let mut written = 0;
        while written < text.len() {
            match self.to.write(&text[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A terminal or pipe that another process has set to non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(TRY_AGAIN_AFTER);
                }
                Err(_) => break,
            }
        }
        if let Some(last) = text[..written].last() {
            self.is_line_open = *last != b'\n';
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// What is written goes into the channel as soon as `allowed` says how many bytes, or that it fails.
    struct Scripted {
        allowed: Receiver<io::Result<usize>>,
        written: Sender<String>,
    }

    impl Write for Scripted {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let most = self.allowed.recv().unwrap_or(Ok(usize::MAX))?;
            let text = &text[..text.len().min(most)];
            let _ = self
                .written
                .send(String::from_utf8_lossy(text).into_owned());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Log {
        writer: LogWriter,
        allow: Sender<io::Result<usize>>,
        written: Receiver<String>,
    }

    fn log() -> Log {
        let (allow, allowed) = mpsc::channel();
        let (sender, written) = mpsc::channel();
        let to = Scripted {
            allowed,
            written: sender,
        };
        Log {
            writer: LogWriter::start(to).expect("a thread"),
            allow,
            written,
        }
    }

    impl Log {
        fn next(&self) -> String {
            self.written.recv_timeout(PATIENCE).expect("a write")
        }

        fn until_dropped(&self, count: u64) {
            while self.writer.dropped() < count {
                thread::yield_now();
            }
            assert_eq!(self.writer.dropped(), count);
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_then_reported() {
        let log = log();
        log.writer.put(b"lost\nlost too\n");
        let full = || Err(ErrorKind::StorageFull.into());
        log.allow.send(full()).expect("a thread");
        log.until_dropped(2);
        log.writer.put(b"lost as well\n");
        log.allow.send(full()).expect("a thread");
        log.until_dropped(3);
        drop(log.allow);
        log.writer.put(b"written\n");
        let report = log.written.recv_timeout(PATIENCE).expect("a write");
        assert!(
            report.contains("WARN fairwind: 3 lines of the log were dropped"),
            "{report}"
        );
        assert_eq!(
            log.written.recv_timeout(PATIENCE).as_deref(),
            Ok("written\n")
        );
        log.writer.finish(PATIENCE);
        assert!(log.written.recv().is_err(), "nothing else");
    }

    #[test]
    fn a_line_that_was_cut_does_not_spoil_the_next() {
        let log = log();
        log.writer.put(b"first\nsecond\n");
        log.allow.send(Ok(8)).expect("a thread");
        assert_eq!(log.next(), "first\nse");
        let full = Err(ErrorKind::StorageFull.into());
        log.allow.send(full).expect("a thread");
        log.until_dropped(1);
        drop(log.allow);
        log.writer.finish(PATIENCE);
        let report = log.written.recv().expect("a report");
        assert!(
            report.starts_with('\n') && report.contains(" 1 lines"),
            "{report}"
        );
    }

    #[test]
    fn while_the_reader_is_stuck_nothing_waits_for_it_and_no_more_than_a_bounded_text_is_kept() {
        let log = log();
        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        // One batch is with the stuck reader, one waits.
        let lines = 3 * MAX_WAITING_BYTES / line.len();
        for _ in 0..lines {
            log.writer.put(&line);
        }
        let dropped = usize::try_from(log.writer.dropped()).expect("a number");
        assert!(
            (lines / 3..lines).contains(&dropped),
            "{dropped} of {lines}"
        );
        log.writer.finish(Duration::from_millis(1));
        drop(log.allow);
        log.writer.finish(PATIENCE);
        let written: String = log.written.iter().collect();
        let (reports, others): (Vec<_>, Vec<_>) =
            written.lines().partition(|line| line.contains("WARN"));
        assert_eq!(others.len(), lines - dropped);
        // The thread may have begun before the last line was dropped.
        let reported = reports.iter().map(|line| {
            let (_, rest) = line.split_once("fairwind: ").expect("a report");
            let (count, _) = rest.split_once(" lines").expect("a number");
            count.parse::<usize>().expect("a number")
        });
        assert_eq!(reported.sum::<usize>(), dropped);
    }

    #[test]
    fn everything_is_written_at_the_end() {
        let log = log();
        drop(log.allow);
        for _ in 0..100 {
            log.writer.put(b"line\n");
        }
        log.writer.finish(PATIENCE);
        assert_eq!(log.written.iter().collect::<String>(), "line\n".repeat(100));
        assert_eq!(log.writer.dropped(), 0);
    }
}
