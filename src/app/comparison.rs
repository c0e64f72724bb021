//! What a page knows of an EventSource and a WebSocket that it compares: what arrived over which and when, which was first, what
//! each missed, and how an experiment went. Plain data and what follows from it; sockets and clocks are left to
//! [`super::live`], words to [`super::messages::compare`]. Times are milliseconds by the page's own clock.
//!
//! ```text
//! model.opened(Side::WebSocket, now);
//! model.arrived(Side::WebSocket, "12 2026-11-26T16:12:37.123Z mf3z", now);
//! model.shown();       // what the page shows of all this
//! ```

use std::collections::VecDeque;

use crate::protocol::compare::{BURST_EVENTS, Experiment, HOLD_SECONDS, Tick};
use crate::protocol::page::Refusal;

/// How many events are remembered, so that a page that stays open does not grow.
const MAX_EVENTS: usize = 4_096;

/// How many differences the median is of: the newest.
const MAX_DIFFERENCES: usize = 999;

/// A silence at least so long, in milliseconds, is one that the server was asked for.
const HELD: f64 = 800.0 * HOLD_SECONDS as f64;

/// Bounds between the bars of the plot, in tenths of a millisecond. What is nearer than the first counts as the same time: a
/// browser's clock has no more than that.
const BOUNDS: [i32; 6] = [1, 3, 10, 30, 100, 300];

/// How many bars the plot has: one in the middle, and as many to either side.
pub const BARS: usize = 2 * BOUNDS.len() + 1;

/// One of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The EventSource.
    EventSource,
    /// The WebSocket.
    WebSocket,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::EventSource, Self::WebSocket];

    /// Where its part of a pair is.
    pub const fn index(self) -> usize {
        match self {
            Self::EventSource => 0,
            Self::WebSocket => 1,
        }
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// The page has not come alive yet.
    #[default]
    Waiting,
    /// It opens for the first time, or again because the reader wants it.
    Connecting,
    /// It is open.
    Open,
    /// It was lost, and the browser opens it again by itself.
    Reconnecting,
    /// It was lost, and stays so unless the page opens it.
    Lost,
    /// The reader has closed it.
    Closed,
}

impl Link {
    /// What the stylesheet and tests know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "snapshot",
            Self::Connecting => "connecting",
            Self::Open => "live",
            Self::Reconnecting => "reconnecting",
            Self::Lost => "ended",
            Self::Closed => "closed",
        }
    }

    /// Whether it can be closed, rather than opened.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::Connecting | Self::Open | Self::Reconnecting)
    }
}

/// What the server has counted of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// Connections that have been opened.
    pub opened: u64,
    /// Events that have been written.
    pub messages: u64,
    /// The bytes that carried them.
    pub message_bytes: u64,
    /// The bytes of their data alone.
    pub data_bytes: u64,
    /// Bytes that carried none.
    pub other_bytes: u64,
    /// The version of HTTP that the newest handshake had; empty before any.
    pub http: String,
    /// Its status; 0 before there is one.
    pub status: u16,
    /// The lines of its request that matter.
    pub request: String,
    /// The bytes of the whole head; 0 where they are not counted.
    pub request_bytes: u64,
    /// The lines of its response that matter.
    pub response: String,
    /// The bytes of the whole head; 0 where they are not counted.
    pub response_bytes: u64,
}

/// What the page shows of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfSide {
    /// What it is doing.
    pub link: Link,
    /// Events that have arrived.
    pub received: u64,
    /// Events that it should have had and has not.
    pub missed: u64,
    /// What the server has counted.
    pub counted: Counted,
}

/// Which connection delivered events first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Race {
    /// How often each was first.
    pub first: [u64; 2],
    /// How often the clock showed the same time for both.
    pub same: u64,
    /// The median of the newest differences, in tenths of a millisecond; positive where the EventSource was first.
    pub median: i32,
    /// How many differences are in each bar of the plot, from the EventSource's lead to the WebSocket's.
    pub bars: [u32; BARS],
}

/// Everything that the page shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// Of the EventSource and of the WebSocket.
    pub sides: [OfSide; 2],
    /// Which was first.
    pub race: Race,
    /// How long the EventSource took to come back the last time, in milliseconds, and how many events it then missed.
    pub came_back: Option<(u64, u64)>,
    /// What sending took the last time.
    pub sent: [Option<Sent>; 2],
    /// Whether the reader has paused what ticks.
    pub is_paused: bool,
}

/// A text that was sent to the server, and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The time until the answer, in tenths of a millisecond.
    pub tenths: u64,
    /// The bytes that carried it: a frame, or a request with its head; 0 where they are not counted.
    pub bytes: u64,
}

/// What a reader tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// An experiment of the server's.
    Experiment(Experiment),
    /// Sending a text.
    Send,
}

/// How an attempt went, when that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is under way.
    Begun(Attempt),
    /// It needs this connection, or any, and that is not open.
    NotOpen(Option<Side>),
    /// Both were cut, and the EventSource is back.
    CutOver {
        /// Milliseconds until it was back.
        after: u64,
        /// What each has missed of the events since.
        missed: [u64; 2],
        /// How many events there were since.
        of: u64,
        /// Whether the WebSocket is open again.
        is_socket_open: bool,
    },
    /// The silence is over.
    HoldOver {
        /// How long it was, in milliseconds; 0 for a connection that was not open.
        silence: [u64; 2],
        /// What each has missed.
        missed: [u64; 2],
    },
    /// All events of the burst have come.
    BurstOver {
        /// Tenths of a millisecond from the first to the last; `None` for a connection that was not open.
        took: [Option<u64>; 2],
        /// What each has missed.
        missed: [u64; 2],
    },
    /// The EventSource has got 204.
    RefusedForGood {
        /// Whether the WebSocket has gone on.
        is_socket_open: bool,
    },
    /// What was sent has been answered.
    SendOver([Option<Sent>; 2]),
    /// The server does not do it, for this reason; `None` if it did not answer.
    NotDone(Option<Refusal>),
}

/// An attempt that is under way.
struct Trial {
    attempt: Attempt,
    /// The number of the newest event before it.
    after: u64,
    /// When the EventSource was lost.
    lost: Option<f64>,
    /// How long it took to come back.
    back: Option<f64>,
    silence: [f64; 2],
    /// When the first and the last event of a burst came.
    burst: [[Option<f64>; 2]; 2],
    /// Connections that were open at the beginning.
    was_open: [bool; 2],
}

/// Of one connection.
#[derive(Default)]
struct SideState {
    link: Link,
    received: u64,
    /// The first event that it has had; those before it count for nothing.
    joined: Option<u64>,
    /// The highest number that it has had.
    newest: u64,
    /// When the last event came.
    last_arrival: Option<f64>,
    /// What it has missed of the events that are not remembered any more.
    missed_before: u64,
    counted: Counted,
    sent: Option<Sent>,
}

/// What the page knows.
#[derive(Default)]
pub struct Model {
    sides: [SideState; 2],
    run: String,
    /// The number of the first event that is remembered.
    base: u64,
    /// When each event came over which.
    events: VecDeque<[Option<f64>; 2]>,
    differences: VecDeque<i32>,
    race: Race,
    came_back: Option<(u64, u64)>,
    trial: Option<Trial>,
}

impl Model {
    /// A connection is being opened, by the page or by the browser.
    pub fn connecting(&mut self, side: Side) {
        self.side(side).link = Link::Connecting;
    }

    /// A connection is open.
    pub fn opened(&mut self, side: Side, now: f64) -> Option<Outcome> {
        self.side(side).link = Link::Open;
        if side == Side::EventSource
            && let Some(trial) = &mut self.trial
            && let Some(lost) = trial.lost
        {
            trial.back.get_or_insert(now - lost);
        }
        None
    }

    /// A connection was lost. The browser reconnects, or does not.
    pub fn lost(&mut self, side: Side, reconnects: bool, now: f64) -> Option<Outcome> {
        self.side(side).link = if reconnects {
            Link::Reconnecting
        } else {
            Link::Lost
        };
        let is_socket_open = self.is_open(Side::WebSocket);
        let trial = self.trial.as_mut().filter(|_| side == Side::EventSource)?;
        trial.lost.get_or_insert(now);
        if trial.attempt != Attempt::Experiment(Experiment::Refuse) || reconnects {
            return None;
        }
        self.trial = None;
        Some(Outcome::RefusedForGood { is_socket_open })
    }

    /// The reader has closed a connection.
    pub fn closed(&mut self, side: Side) {
        self.side(side).link = Link::Closed;
    }

    /// What a connection is doing.
    pub fn link(&self, side: Side) -> Link {
        self.sides[side.index()].link
    }

    /// Whether any connection is open.
    pub fn has_open(&self) -> bool {
        Side::BOTH.into_iter().any(|side| self.is_open(side))
    }

    /// An event's data has come. Returns what it makes known of an attempt.
    pub fn arrived(&mut self, side: Side, data: &str, now: f64) -> Option<Outcome> {
        let tick = Tick::read(data)?;
        if tick.run != self.run {
            self.begin_run(tick.run, tick.number);
        }
        self.remember(tick.number);
        let index = side.index();
        let before = self.sides[index].last_arrival.replace(now);
        let state = &mut self.sides[index];
        state.received += 1;
        state.joined.get_or_insert(tick.number);
        state.newest = state.newest.max(tick.number);
        if let Some(event) = tick.number.checked_sub(self.base)
            && let Some(event) = self
                .events
                .get_mut(usize::try_from(event).unwrap_or(usize::MAX))
            && event[index].is_none()
        {
            event[index] = Some(now);
            // How far a browser has come with a burst says nothing of the connections.
            let is_of_burst = self.trial.as_ref().is_some_and(|trial| {
                trial.attempt == Attempt::Experiment(Experiment::Burst) && tick.number > trial.after
            });
            if !is_of_burst && let [Some(source), Some(socket)] = *event {
                self.compare(socket - source);
            }
        }
        self.try_to_end(side, tick.number, before, now)
    }

    /// The server has published so many events, which need not have come over either connection.
    pub fn published(&mut self, number: u64, run: &str) {
        if run == self.run {
            self.remember(number);
        }
    }

    /// What the server has counted.
    pub fn counted(&mut self, side: Side, counted: Counted) {
        self.side(side).counted = counted;
    }

    /// The reader tries something. [`Outcome::NotOpen`] if that needs a connection which is not there.
    pub fn begin(&mut self, attempt: Attempt) -> Outcome {
        let [source, socket] = Side::BOTH.map(|side| self.is_open(side));
        match attempt {
            Attempt::Experiment(Experiment::Cut | Experiment::Refuse) if !source => {
                return Outcome::NotOpen(Some(Side::EventSource));
            }
            Attempt::Experiment(Experiment::Hold | Experiment::Burst) if !source && !socket => {
                return Outcome::NotOpen(None);
            }
            Attempt::Experiment(_) | Attempt::Send => {}
        }
        self.trial = Some(Trial {
            attempt,
            after: self.newest(),
            lost: None,
            back: None,
            silence: [0.0; 2],
            burst: [[None; 2]; 2],
            was_open: [source, socket],
        });
        if attempt == Attempt::Send {
            for state in &mut self.sides {
                state.sent = None;
            }
        }
        Outcome::Begun(attempt)
    }

    /// What was sent over a connection, or beside it, has been answered after this time.
    pub fn answered(&mut self, side: Side, time: f64, bytes: u64) -> Option<Outcome> {
        self.side(side).sent = Some(Sent {
            tenths: tenths(time),
            bytes,
        });
        let trial = self.trial.as_ref()?;
        let waits_for_socket = trial.was_open[Side::WebSocket.index()]
            && self.sides[Side::WebSocket.index()].sent.is_none();
        let waits_for_post = self.sides[Side::EventSource.index()].sent.is_none();
        if trial.attempt != Attempt::Send || waits_for_socket || waits_for_post {
            return None;
        }
        self.trial = None;
        Some(Outcome::SendOver(self.sent()))
    }

    /// The server has refused to do it.
    pub fn refused(&mut self, refusal: Option<Refusal>) -> Outcome {
        self.trial = None;
        Outcome::NotDone(refusal)
    }

    /// What the page shows.
    pub fn shown(&self, is_paused: bool) -> Shown {
        let of_side = |side: Side| {
            let state = &self.sides[side.index()];
            OfSide {
                link: state.link,
                received: state.received,
                missed: self.missed(side, 0),
                counted: state.counted.clone(),
            }
        };
        let mut newest: Vec<i32> = self.differences.iter().copied().collect();
        let middle = newest.len() / 2;
        let median = if newest.is_empty() {
            0
        } else {
            *newest.select_nth_unstable(middle).1
        };
        Shown {
            sides: Side::BOTH.map(of_side),
            race: Race {
                median,
                ..self.race
            },
            came_back: self.came_back,
            sent: self.sent(),
            is_paused,
        }
    }

    /// How many events after this one a connection has missed: those before the newest that it has had, while it is open, and
    /// otherwise all that are known. What is on its way is not missed.
    fn missed(&self, side: Side, after: u64) -> u64 {
        let (index, state) = (side.index(), &self.sides[side.index()]);
        let before = if after == 0 { state.missed_before } else { 0 };
        let Some(joined) = state.joined else {
            return before;
        };
        let through = match state.link {
            Link::Open => state.newest,
            _ => self.newest(),
        };
        let numbers = (self.base..=through).zip(&self.events);
        let missed = numbers
            .filter(|(number, event)| {
                *number >= joined && *number > after && event[index].is_none()
            })
            .count();
        before + u64::try_from(missed).unwrap_or_default()
    }

    /// Whether what has come over a connection completes an attempt.
    fn try_to_end(
        &mut self,
        side: Side,
        number: u64,
        before: Option<f64>,
        now: f64,
    ) -> Option<Outcome> {
        let index = side.index();
        let is_open = Side::BOTH.map(|side| self.is_open(side));
        let newest = self.newest();
        let trial = self.trial.as_mut()?;
        if number <= trial.after {
            return None;
        }
        let after = trial.after;
        let missed = |model: &Self| Side::BOTH.map(|side| model.missed(side, after));
        // A connection that was closed meanwhile is not waited for.
        let waits = |done: [bool; 2]| {
            (0..2).any(|index| trial.was_open[index] && is_open[index] && !done[index])
        };
        let Attempt::Experiment(experiment) = trial.attempt else {
            return None;
        };
        let outcome = match experiment {
            Experiment::Cut => {
                let back = trial
                    .back
                    .filter(|_| side == Side::EventSource && number == newest)?;
                let (back, missed) = (whole(back), missed(self));
                self.came_back = Some((back, missed[0]));
                Outcome::CutOver {
                    after: back,
                    missed,
                    of: newest - after,
                    is_socket_open: is_open[1],
                }
            }
            Experiment::Hold => {
                let silence = before.map_or(0.0, |before| now - before);
                if silence >= HELD {
                    trial.silence[index] = silence;
                }
                if waits(trial.silence.map(|silence| silence > 0.0)) || trial.silence == [0.0; 2] {
                    return None;
                }
                Outcome::HoldOver {
                    silence: trial.silence.map(whole),
                    missed: missed(self),
                }
            }
            Experiment::Burst => {
                let [first, last] = &mut trial.burst[index];
                let first = *first.get_or_insert(now);
                if number >= after + BURST_EVENTS as u64 && last.is_none() {
                    *last = Some(now - first);
                }
                let took = trial.burst.map(|[_, last]| last.map(tenths));
                if waits(took.map(|took| took.is_some())) || took == [None; 2] {
                    return None;
                }
                Outcome::BurstOver {
                    took,
                    missed: missed(self),
                }
            }
            Experiment::Refuse => return None,
        };
        self.trial = None;
        Some(outcome)
    }

    /// A difference of the WebSocket's arrival from the EventSource's.
    fn compare(&mut self, difference: f64) {
        let tenths = (difference * 10.0).round().clamp(-1e9, 1e9) as i32;
        let distance = BOUNDS
            .iter()
            .filter(|bound| tenths.abs() >= **bound)
            .count();
        let middle = BOUNDS.len();
        let (bar, winner) = match tenths {
            _ if distance == 0 => (middle, None),
            1.. => (middle - distance, Some(Side::EventSource)),
            _ => (middle + distance, Some(Side::WebSocket)),
        };
        self.race.bars[bar] += 1;
        match winner {
            Some(winner) => self.race.first[winner.index()] += 1,
            None => self.race.same += 1,
        }
        if self.differences.len() == MAX_DIFFERENCES {
            self.differences.pop_front();
        }
        self.differences.push_back(tenths);
    }

    /// The server counts anew: it has forgotten the comparison, or was started again.
    fn begin_run(&mut self, run: &str, number: u64) {
        for (index, state) in self.sides.iter_mut().enumerate() {
            if let Some(joined) = state.joined.take() {
                let numbers = (self.base..).zip(&self.events);
                let missing =
                    numbers.filter(|(number, event)| *number >= joined && event[index].is_none());
                state.missed_before += u64::try_from(missing.count()).unwrap_or_default();
            }
            state.newest = 0;
        }
        self.run = run.to_owned();
        self.base = number;
        self.events.clear();
        self.trial = None;
    }

    /// Makes room for all events up to this one.
    fn remember(&mut self, number: u64) {
        let newest = self.newest();
        // More than are remembered: only the last of them count.
        let missing = usize::try_from(number.saturating_sub(newest)).unwrap_or(usize::MAX);
        for _ in 0..missing.min(MAX_EVENTS) {
            if self.events.len() == MAX_EVENTS {
                self.forget_oldest();
            }
            self.events.push_back([None; 2]);
        }
        let kept = u64::try_from(self.events.len()).unwrap_or_default();
        self.base = self.base.max((number + 1).saturating_sub(kept));
    }

    fn forget_oldest(&mut self) {
        let Some(event) = self.events.pop_front() else {
            return;
        };
        for (index, state) in self.sides.iter_mut().enumerate() {
            let was_missed = state.joined.is_some_and(|joined| self.base >= joined);
            if was_missed && event[index].is_none() {
                state.missed_before += 1;
            }
        }
        self.base += 1;
    }

    /// The number of the newest event that is known of; one less than the first before there is any.
    fn newest(&self) -> u64 {
        (self.base + u64::try_from(self.events.len()).unwrap_or_default()).saturating_sub(1)
    }

    fn is_open(&self, side: Side) -> bool {
        self.link(side) == Link::Open
    }

    fn side(&mut self, side: Side) -> &mut SideState {
        &mut self.sides[side.index()]
    }

    fn sent(&self) -> [Option<Sent>; 2] {
        Side::BOTH.map(|side| self.sides[side.index()].sent)
    }
}

/// Milliseconds as tenths of them.
fn tenths(milliseconds: f64) -> u64 {
    whole(milliseconds * 10.0)
}

/// The nearest whole number that is not negative.
fn whole(number: f64) -> u64 {
    // In range and whole, so the conversion changes nothing.
    number.round().clamp(0.0, 1e12) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Side = Side::EventSource;
    const SOCKET: Side = Side::WebSocket;

    fn data(number: u64) -> String {
        format!("{number} 2026-11-26T16:12:37.123Z a")
    }

    fn open() -> Model {
        let mut model = Model::default();
        for side in Side::BOTH {
            model.opened(side, 0.0);
        }
        model
    }

    /// Both get an event, the EventSource first.
    fn both(model: &mut Model, number: u64, now: f64) {
        model.arrived(SOURCE, &data(number), now);
        model.arrived(SOCKET, &data(number), now);
    }

    #[test]
    fn the_connection_whose_event_came_earlier_was_first_and_the_bars_say_by_how_much() {
        let mut model = open();
        for (number, source, socket) in [
            (1, 10.0, 10.2),
            (2, 20.0, 19.0),
            (3, 30.0, 30.04),
            (4, 40.0, 90.0),
        ] {
            model.arrived(SOURCE, &data(number), source);
            model.arrived(SOCKET, &data(number), socket);
        }
        let race = model.shown(false).race;
        assert_eq!((race.first, race.same), ([2, 1], 1));
        let mut bars = [0; BARS];
        (bars[5], bars[9], bars[6], bars[0]) = (1, 1, 1, 1);
        assert_eq!(race.bars, bars);
        assert_eq!(race.median, 2);
        // An event that comes again counts once.
        model.arrived(SOCKET, &data(4), 95.0);
        assert_eq!(model.shown(false).race, race);
    }

    #[test]
    fn what_is_on_its_way_is_not_missed_and_what_never_came_is() {
        let mut model = open();
        both(&mut model, 1, 0.0);
        model.arrived(SOURCE, &data(2), 1.0);
        let missed = |model: &Model| model.shown(false).sides.map(|side| side.missed);
        assert_eq!(missed(&model), [0, 0]);
        model.arrived(SOCKET, &data(3), 2.0);
        assert_eq!(missed(&model), [0, 1], "2 will not come any more");
        model.lost(SOURCE, true, 3.0);
        assert_eq!(missed(&model), [1, 1]);
        model.opened(SOURCE, 4.0);
        model.arrived(SOURCE, &data(3), 4.0);
        assert_eq!(missed(&model), [0, 1]);
        model.lost(SOCKET, false, 5.0);
        model.published(7, "a");
        model.published(99, "of another run");
        assert_eq!(missed(&model), [0, 5]);
    }

    #[test]
    fn a_connection_that_came_later_has_not_missed_what_was_before() {
        let mut model = open();
        model.arrived(SOURCE, &data(5), 0.0);
        model.arrived(SOURCE, &data(6), 1.0);
        model.arrived(SOCKET, &data(6), 1.0);
        assert_eq!(model.shown(false).sides[1].missed, 0);
    }

    #[test]
    fn a_cut_is_over_when_the_event_source_is_back_and_has_the_newest_event() {
        let mut model = open();
        both(&mut model, 1, 0.0);
        let cut = Attempt::Experiment(Experiment::Cut);
        assert_eq!(model.begin(cut), Outcome::Begun(cut));
        assert_eq!(model.lost(SOCKET, false, 10.0), None);
        assert_eq!(model.lost(SOURCE, true, 10.0), None);
        model.published(4, "a");
        model.opened(SOURCE, 2_110.0);
        assert_eq!(model.arrived(SOURCE, &data(2), 2_111.0), None);
        assert_eq!(model.arrived(SOURCE, &data(3), 2_111.0), None);
        let over = model.arrived(SOURCE, &data(4), 2_111.0);
        let expected = Outcome::CutOver {
            after: 2_100,
            missed: [0, 3],
            of: 3,
            is_socket_open: false,
        };
        assert_eq!(over, Some(expected));
        assert_eq!(model.shown(false).came_back, Some((2_100, 0)));
        assert_eq!(model.arrived(SOURCE, &data(5), 3_000.0), None);
    }

    #[test]
    fn an_attempt_that_needs_a_connection_does_not_begin_without() {
        let mut model = open();
        model.closed(SOURCE);
        let begin = |model: &mut Model, experiment| model.begin(Attempt::Experiment(experiment));
        for experiment in [Experiment::Cut, Experiment::Refuse] {
            assert_eq!(
                begin(&mut model, experiment),
                Outcome::NotOpen(Some(SOURCE))
            );
        }
        for experiment in [Experiment::Hold, Experiment::Burst] {
            let begun = Outcome::Begun(Attempt::Experiment(experiment));
            assert_eq!(begin(&mut model, experiment), begun);
        }
        model.closed(SOCKET);
        assert_eq!(begin(&mut model, Experiment::Burst), Outcome::NotOpen(None));
        assert_eq!(model.begin(Attempt::Send), Outcome::Begun(Attempt::Send));
    }

    #[test]
    fn a_hold_is_over_when_each_open_connection_has_been_silent_and_is_heard_again() {
        let hold = Attempt::Experiment(Experiment::Hold);
        let mut model = open();
        both(&mut model, 1, 0.0);
        model.begin(hold);
        both(&mut model, 2, 900.0);
        assert_eq!(model.arrived(SOURCE, &data(3), 5_900.0), None);
        let over = Outcome::HoldOver {
            silence: [5_000, 5_001],
            missed: [0, 0],
        };
        assert_eq!(model.arrived(SOCKET, &data(3), 5_901.0), Some(over));

        model.lost(SOCKET, false, 6_000.0);
        model.begin(hold);
        let over = Outcome::HoldOver {
            silence: [5_000, 0],
            missed: [0, 1],
        };
        assert_eq!(model.arrived(SOURCE, &data(4), 10_900.0), Some(over));
    }

    #[test]
    fn a_burst_is_over_when_each_open_connection_has_its_last_event() {
        let mut model = open();
        both(&mut model, 1, 0.0);
        model.begin(Attempt::Experiment(Experiment::Burst));
        for number in 2..=1_001 {
            assert_eq!(
                model.arrived(SOURCE, &data(number), 0.01 * number as f64),
                None
            );
        }
        let mut over = None;
        for number in 2..=1_001 {
            over = model.arrived(SOCKET, &data(number), 0.02 * number as f64);
        }
        let expected = Outcome::BurstOver {
            took: [Some(100), Some(200)],
            missed: [0, 0],
        };
        assert_eq!(over, Some(expected));
        let race = model.shown(false).race;
        assert_eq!(
            race.first.iter().sum::<u64>() + race.same,
            1,
            "the burst is left out"
        );
    }

    #[test]
    fn a_refused_event_source_is_lost_for_good() {
        let mut model = open();
        model.begin(Attempt::Experiment(Experiment::Refuse));
        assert_eq!(model.lost(SOURCE, true, 1.0), None);
        let over = Outcome::RefusedForGood {
            is_socket_open: true,
        };
        assert_eq!(model.lost(SOURCE, false, 2_000.0), Some(over));
        assert_eq!(model.link(SOURCE), Link::Lost);
    }

    #[test]
    fn sending_is_over_when_both_have_answered_or_the_one_that_is_there() {
        let mut model = open();
        model.begin(Attempt::Send);
        assert_eq!(model.answered(SOCKET, 0.84, 11), None);
        let sent = |tenths, bytes| Some(Sent { tenths, bytes });
        let over = Outcome::SendOver([sent(21, 400), sent(8, 11)]);
        assert_eq!(model.answered(SOURCE, 2.1, 400), Some(over));
        model.closed(SOCKET);
        model.begin(Attempt::Send);
        let over = Outcome::SendOver([sent(20, 400), None]);
        assert_eq!(model.answered(SOURCE, 2.0, 400), Some(over));
    }

    #[test]
    fn a_server_that_counts_anew_takes_nothing_away() {
        let mut model = open();
        both(&mut model, 1, 0.0);
        model.lost(SOCKET, false, 1.0);
        model.arrived(SOURCE, &data(2), 1.0);
        model.arrived(SOURCE, "1 2026-11-26T16:12:37.123Z b", 2.0);
        let shown = model.shown(false);
        assert_eq!(shown.sides[0].received, 3);
        assert_eq!(shown.sides.map(|side| side.missed), [0, 1]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_was_missed_stays_counted() {
        let mut model = open();
        both(&mut model, 1, 0.0);
        model.lost(SOCKET, false, 0.0);
        let last = 3 * MAX_EVENTS as u64;
        for number in 2..=last {
            model.arrived(SOURCE, &data(number), number as f64);
        }
        assert_eq!(model.events.len(), MAX_EVENTS);
        assert_eq!(
            model.shown(false).sides.map(|side| side.missed),
            [0, last - 1]
        );
        // A number far away costs no more than what is remembered.
        model.published(u64::MAX - 1, "a");
        assert_eq!(model.events.len(), MAX_EVENTS);
        assert_eq!(model.newest(), u64::MAX - 1);
    }
}
