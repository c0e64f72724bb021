//! Who is present: names come and go, within bounds, and their watches learn of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use super::*;
use crate::hub::presence::{
    MAX_NAME_BYTES, MAX_NAMES, Name, NameError, PresenceGuard, PresenceUpdate, PresenceWatch,
};

const GRACE: Duration = Duration::from_secs(4);

/// A hub whose names leave, until it is dropped.
struct Present {
    hub: Hub,
    task: JoinHandle<()>,
}

impl Present {
    fn new() -> Self {
        let hub = Hub::new(Limits::default());
        let task = tokio::spawn(hub.clone().keep_within_limits(CancellationToken::new()));
        Self { hub, task }
    }

    fn enter(&self, of: &str, text: &str) -> PresenceGuard {
        let permit = Box::new(());
        let guard = self.hub.enter(&topic(of), name(text), GRACE, permit);
        guard.expect("a place")
    }

    fn present(&self, of: &str) -> Vec<String> {
        let names = self.hub.present(&topic(of));
        names.iter().map(ToString::to_string).collect()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

fn changes(joined: &[&str], left: &[&str]) -> Option<PresenceUpdate> {
    Some(PresenceUpdate::Changes {
        joined: names(joined),
        left: names(left),
    })
}

/// Lets time pass, and the hub's task run.
async fn pass(time: Duration) {
    advance(time).await;
    sleep(Duration::from_millis(1)).await;
}

#[test]
fn a_name_is_a_short_text_on_one_line() {
    for (text, expected) in [
        ("", NameError::Spaces),
        (" Ada", NameError::Spaces),
        ("Ada\n", NameError::Spaces),
        ("A\tda", NameError::Character('\t')),
        ("a/b", NameError::Character('/')),
        (
            &"x".repeat(MAX_NAME_BYTES + 1),
            NameError::TooLong(MAX_NAME_BYTES + 1),
        ),
    ] {
        assert_eq!(Name::new(text), Err(expected), "{text:?}");
    }
    for text in [
        "Ada",
        "Ada Lovelace",
        "王芳",
        "a@b.example",
        &"x".repeat(MAX_NAME_BYTES),
    ] {
        assert_eq!(name(text).as_str(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_present_once_and_leaves_when_the_grace_of_its_last_subscriber_is_over() {
    let world = Present::new();
    let mut watch = world.hub.watch_presence(&topic("a"));
    assert_eq!(watch.take(), Some(PresenceUpdate::All(Vec::new())));
    assert!(!watch.has_changed());
    let (first_tab, second_tab) = (world.enter("a", "Ada"), world.enter("a", "Ada"));
    let _elsewhere = world.enter("b", "Bob");
    assert!(watch.has_changed());
    assert_eq!(watch.take(), changes(&["Ada"], &[]));
    drop(first_tab);
    pass(2 * GRACE).await;
    assert!(!watch.has_changed(), "the other tab is still there");
    drop(second_tab);
    pass(GRACE - Duration::from_millis(2)).await;
    assert_eq!(world.present("a"), ["Ada"]);
    pass(Duration::from_millis(2)).await;
    assert_eq!(world.present("a"), [""; 0]);
    assert_eq!(watch.take(), changes(&[], &["Ada"]));
    assert_eq!(world.present("b"), ["Bob"]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reconnects_in_time_has_not_left() {
    let world = Present::new();
    let mut guard = world.enter("a", "Ada");
    let mut watch = world.hub.watch_presence(&topic("a"));
    assert_eq!(watch.take(), Some(PresenceUpdate::All(names(&["Ada"]))));
    for _ in 0..10 {
        drop(guard);
        pass(GRACE * 3 / 4).await;
        guard = world.enter("a", "Ada");
    }
    pass(2 * GRACE).await;
    assert!(!watch.has_changed());
    drop(guard);
    pass(GRACE).await;
    assert_eq!(watch.take(), changes(&[], &["Ada"]));
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_held_until_the_name_has_left() {
    let world = Present::new();
    let permits = Arc::new(());
    let enter = || {
        let permit = Box::new(Arc::clone(&permits));
        let guard = world.hub.enter(&topic("a"), name("Ada"), GRACE, permit);
        guard.expect("a place")
    };
    let held = || Arc::strong_count(&permits) - 1;
    let (first, second) = (enter(), enter());
    assert_eq!(held(), 2);
    drop(first);
    assert_eq!(held(), 1, "another keeps the name");
    drop(second);
    assert_eq!(held(), 1, "in the grace");
    let again = enter();
    assert_eq!(held(), 1, "it brings its own");
    drop(again);
    pass(GRACE).await;
    assert_eq!(held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_topic_has_so_many_names_and_no_more() {
    let world = Present::new();
    let mut guards: Vec<_> = (0..MAX_NAMES)
        .map(|number| world.enter("a", &format!("name {number}")))
        .collect();
    let enter = |text| {
        world
            .hub
            .enter(&topic("a"), name(text), GRACE, Box::new(()))
    };
    assert!(enter("one more").is_none());
    assert!(enter("name 7").is_some(), "a name that is there already");
    assert_eq!(world.present("a").len(), MAX_NAMES);
    guards.truncate(MAX_NAMES - 1);
    assert!(enter("one more").is_none(), "one in its grace counts");
    pass(GRACE).await;
    assert!(enter("one more").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_has_missed_more_changes_than_there_are_names_gets_the_list() {
    let world = Present::new();
    let mut watch = world.hub.watch_presence(&topic("a"));
    watch.take();
    let texts: Vec<_> = (0..8).map(|number| number.to_string()).collect();
    let guards: Vec<_> = texts.iter().map(|text| world.enter("a", text)).collect();
    let all: Vec<_> = texts.iter().map(String::as_str).collect();
    assert_eq!(
        watch.take(),
        changes(&all, &[]),
        "as many as are remembered"
    );
    drop(guards);
    pass(GRACE).await;
    let _ada = world.enter("a", "Ada");
    assert_eq!(watch.take(), Some(PresenceUpdate::All(names(&["Ada"]))));
}

#[tokio::test(start_paused = true)]
async fn what_has_been_undone_is_no_change() {
    let world = Present::new();
    let mut watch = world.hub.watch_presence(&topic("a"));
    watch.take();
    drop(world.enter("a", "Ada"));
    pass(GRACE).await;
    assert!(watch.has_changed());
    assert_eq!(watch.take(), None);
    assert!(!watch.has_changed());
}

#[tokio::test(start_paused = true)]
async fn those_who_count_subscribers_are_notified_of_names() {
    #[derive(Default)]
    struct Count(AtomicUsize);
    impl crate::hub::watch::Watcher for Count {
        fn wake(&self, _: ChannelId, change: TopicChange) -> crate::hub::watch::Woken {
            assert_eq!(change, TopicChange::Subscribers);
            self.0.fetch_add(1, Ordering::Relaxed);
            crate::hub::watch::Woken::Nothing
        }
    }
    let world = Present::new();
    let wanted = Subscription::public(topic("a"), Start::Now, LagPolicy::Disconnect);
    let subscriber = world.hub.subscribe(&wanted).expect("a subscriber");
    let count = Arc::<Count>::default();
    let of = subscriber.topics().next().expect("its topic");
    let listening = subscriber.listen(of, count.clone()).expect("it goes on");
    drop(world.enter("a", "Ada"));
    pass(GRACE).await;
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    listening.count_subscribers();
    drop(world.enter("a", "Ada"));
    pass(GRACE).await;
    assert_eq!(count.0.load(Ordering::Relaxed), 2, "joined and left");
}

/// What happens to the names of one topic.
#[derive(Debug, Clone)]
enum Step {
    Enter(usize),
    Leave(usize),
    Pass(u64),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..12_usize).prop_map(Step::Enter),
        4 => (0..64_usize).prop_map(Step::Leave),
        2 => (0..6_000_u64).prop_map(Step::Pass),
        1 => Just(Step::Look),
    ]
}

/// Applies what a watch says to what its reader knew.
fn apply(known: &mut BTreeSet<Name>, watch: &mut PresenceWatch) {
    match watch.take() {
        None => {}
        Some(PresenceUpdate::All(names)) => *known = names.into_iter().collect(),
        Some(PresenceUpdate::Changes { joined, left }) => {
            for name in joined {
                assert!(known.insert(name.clone()), "{name} joins twice");
            }
            for name in left {
                assert!(known.remove(&name), "{name} leaves twice");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A reader that applies what its watch says knows at any time who is there, and nothing is left when all have gone.
    #[test]
    fn a_reader_that_applies_every_change_knows_who_is_there(steps in prop::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let world = Present::new();
            let mut watch = world.hub.watch_presence(&topic("a"));
            let (mut known, mut guards) = (BTreeSet::new(), Vec::new());
            // When each name without a guard leaves.
            let mut leaves = std::collections::BTreeMap::new();
            for step in steps {
                match step {
                    Step::Enter(number) => {
                        let text = number.to_string();
                        leaves.remove(&name(&text));
                        guards.push((name(&text), world.enter("a", &text)));
                    }
                    Step::Leave(number) if !guards.is_empty() => {
                        let (left, guard) = guards.swap_remove(number % guards.len());
                        drop(guard);
                        if guards.iter().all(|(other, _)| *other != left) {
                            leaves.insert(left, tokio::time::Instant::now() + GRACE);
                        }
                    }
                    Step::Leave(_) => {}
                    Step::Pass(milliseconds) => pass(Duration::from_millis(milliseconds)).await,
                    Step::Look => apply(&mut known, &mut watch),
                }
                let now = tokio::time::Instant::now();
                leaves.retain(|_, at| *at > now);
                let expected: BTreeSet<_> =
                    guards.iter().map(|(name, _)| name).chain(leaves.keys()).cloned().collect();
                // The task runs within a millisecond of the time.
                sleep(Duration::from_millis(1)).await;
                let present: BTreeSet<_> = world.hub.present(&topic("a")).into_iter().collect();
                let is_leaving = |name: &Name| leaves.get(name).is_some_and(|at| *at <= tokio::time::Instant::now());
                let settled: BTreeSet<_> = expected.into_iter().filter(|name| !is_leaving(name)).collect();
                assert!(present.is_superset(&settled) && present.len() <= settled.len() + leaves.len());
            }
            apply(&mut known, &mut watch);
            let present: BTreeSet<_> = world.hub.present(&topic("a")).into_iter().collect();
            assert_eq!(known, present);
            drop(guards);
            pass(GRACE).await;
            apply(&mut known, &mut watch);
            assert!(known.is_empty() && world.present("a").is_empty());
            // A name that came back before it had left is looked at once more.
            pass(GRACE).await;
            drop(watch);
            assert!(world.hub.0.presence.is_empty());
        });
    }
}
