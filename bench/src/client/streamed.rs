//! Publishers that each send one long request, a line of JSON for each event, and many publishers that each wait for the
//! answer to one event.

use std::io::Write;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Client, PATIENCE, PUBLISHERS};
use crate::event::{LENGTH, Stamp};

/// How often what is due is written: a write for each event would measure the load client.
const TICK: Duration = Duration::from_micros(500);

/// Publishers that are as quick as they can be write so many events at once,
const BURST: u32 = 128;
/// and keep so many bytes ready for the system.
const READY: usize = 64 << 10;

/// What a load of streamed requests gave.
#[derive(Debug)]
pub(crate) struct Streamed {
    /// From the first event to the last answer.
    pub(crate) took: Duration,
    /// From when an event was due to its arrival at the subscriber of its topic.
    pub(crate) latency: Histogram<u64>,
}

impl Client {
    /// Publishes `each` events in each of several requests, at so many a second in all, or as quickly as they are taken.
    /// Subscriber `i` has subscribed to `paths[i]`. Every receipt and every subscriber must have all events.
    pub(crate) fn streamed(
        &mut self,
        paths: &[String],
        each: u32,
        rate: Option<f64>,
    ) -> Result<Streamed, String> {
        let count = paths.len();
        self.begin(count)?;
        let host = self.address;
        for (publisher, path) in self.publishers.iter_mut().zip(paths) {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-ndjson\r\n\
                 transfer-encoding: chunked\r\n\r\n"
            );
            publisher.unsent.extend_from_slice(head.as_bytes());
        }
        let interval = rate.map(|rate| count as f64 / rate);
        let start = Instant::now();
        let planned = interval.map_or(0.0, |interval| interval * f64::from(each));
        let deadline = start + Duration::from_secs_f64(planned) + PATIENCE;
        let mut next_tick = start;
        let mut took = None;
        let all = u64::from(each) * count as u64;
        loop {
            let now = Instant::now();
            if rate.is_none() || now >= next_tick {
                next_tick = now + TICK;
                let elapsed = (now - start).as_secs_f64();
                for index in 0..count {
                    let due = match interval {
                        Some(interval) => ((elapsed / interval) as u32).min(each),
                        None if self.publishers[index].unsent.len() > READY => 0,
                        None => (self.publishers[index].published + BURST).min(each),
                    };
                    let due_at = |number: u32| match interval {
                        Some(interval) => {
                            start + Duration::from_secs_f64(interval * f64::from(number))
                        }
                        None => now,
                    };
                    self.chunk(index, due, each, due_at)?;
                }
            }
            self.turn(Duration::ZERO)?;
            if took.is_none() && self.run.answered == count as u64 {
                took = Some(start.elapsed());
            }
            if let Some(took) = took
                && (self.run.delivered >= all || self.run.closed > 0)
            {
                self.check_streamed(each)?;
                let latency = self.run.latency.clone();
                return Ok(Streamed { took, latency });
            }
            if now > deadline || self.run.refused > 0 {
                self.check_streamed(each)?;
                return Err("no end in time".to_owned());
            }
        }
    }

    /// Writes a chunk with a publisher's events before number `due`, and the body's end after the last.
    fn chunk(
        &mut self,
        index: usize,
        due: u32,
        each: u32,
        due_at: impl Fn(u32) -> Instant,
    ) -> Result<(), String> {
        const LINE: usize = br#"{"data":""#.len() + LENGTH + b"\"}\n".len();
        let (run, first) = (self.run.number, self.publishers[index].published);
        if due <= first {
            return Ok(());
        }
        let size = (due - first) as usize * LINE;
        let mut chunk = std::mem::take(&mut self.publishers[index].unsent);
        // A write to a buffer in memory does not fail.
        let _ = write!(chunk, "{size:x}\r\n");
        for number in first..due {
            chunk.extend_from_slice(br#"{"data":""#);
            let stamp = Stamp {
                run,
                publisher: index as u32,
                number,
                due: self.nanos(due_at(number)),
            };
            stamp.write(&mut chunk);
            chunk.extend_from_slice(b"\"}\n");
        }
        chunk.extend_from_slice(b"\r\n");
        let publisher = &mut self.publishers[index];
        publisher.published = due;
        if due == each {
            chunk.extend_from_slice(b"0\r\n\r\n");
            publisher.waiting.push_back(Instant::now());
        }
        publisher.unsent = chunk;
        self.flush(index)
    }

    /// Whether every receipt names as many events, and each subscriber has had its publisher's in order.
    fn check_streamed(&mut self, each: u32) -> Result<(), String> {
        let count = self.publishers.len();
        self.run.faults.missing = (0..count)
            .map(|index| self.orders[index * count + index].missing(each))
            .sum();
        self.check()?;
        for publisher in &self.publishers {
            let published = published(&publisher.receipt);
            if published != Some(u64::from(each)) {
                return Err(format!(
                    "a receipt is not for {each} events: {}",
                    String::from_utf8_lossy(&publisher.receipt)
                ));
            }
        }
        Ok(())
    }

    /// So many publishers publish one event after another for so long, each when the last has been answered. Returns the
    /// events a second.
    pub(crate) fn posts(
        &mut self,
        path: &str,
        publishers: usize,
        time: Duration,
    ) -> Result<f64, String> {
        self.begin(publishers)?;
        let start = Instant::now();
        let mut took = start.elapsed();
        while took < time {
            for index in 0..publishers {
                if self.publishers[index].waiting.is_empty() {
                    self.publish(index, path, Instant::now())?;
                }
            }
            self.turn(Duration::ZERO)?;
            took = start.elapsed();
        }
        let answered = self.run.answered;
        let all: u64 = self
            .publishers
            .iter()
            .map(|publisher| u64::from(publisher.published))
            .sum();
        self.until(|client| client.run.answered == all)?;
        self.check()?;
        Ok(answered as f64 / took.as_secs_f64())
    }

    /// Publishes so many events to each of many topics, a request for each topic.
    pub(crate) fn fill_topics(
        &mut self,
        topics: usize,
        each: u32,
        path: impl Fn(usize) -> String,
    ) -> Result<(), String> {
        const DEPTH: usize = 16;
        self.begin(PUBLISHERS)?;
        let (host, run) = (self.address, self.run.number);
        let mut body = Vec::new();
        for topic in 0..topics {
            let index = topic % PUBLISHERS;
            if self.publishers[index].waiting.len() >= DEPTH {
                self.until(|client| client.publishers[index].waiting.len() < DEPTH / 2)?;
            }
            body.clear();
            for number in 0..each {
                body.extend_from_slice(br#"{"data":""#);
                let stamp = Stamp {
                    run,
                    publisher: 0,
                    number,
                    due: 0,
                };
                stamp.write(&mut body);
                body.extend_from_slice(b"\"}\n");
            }
            let publisher = &mut self.publishers[index];
            // A write to a buffer in memory does not fail.
            let _ = write!(
                publisher.unsent,
                "POST {} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-ndjson\r\n\
                 content-length: {}\r\n\r\n",
                path(topic),
                body.len()
            );
            publisher.unsent.extend_from_slice(&body);
            publisher.waiting.push_back(Instant::now());
            self.flush(index)?;
        }
        self.until(|client| client.run.answered == topics as u64)?;
        self.check()
    }
}

/// How many events the receipt of a streamed request is for.
fn published(receipt: &[u8]) -> Option<u64> {
    const NAME: &[u8] = br#""published":"#;
    let at = memchr::memmem::find(receipt, NAME)? + NAME.len();
    let digits = receipt[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let digits: Vec<u8> = digits.copied().collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_names_the_number_of_events() {
        let receipt = br#"{"topic":"a","published":1200,"first_id":"x"}"#;
        assert_eq!(published(receipt), Some(1_200));
        assert_eq!(published(b"{}"), None);
    }
}
