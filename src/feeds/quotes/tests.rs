use super::*;
use crate::hub::Limits;
use crate::hub::subscriber::{
    LagPolicy, ReadOutcome, Start, Subscriber, Subscription, WantedPattern,
};
use crate::hub::visibility::Visibility;

struct Running {
    hub: Hub,
    quotes: Arc<Quotes>,
    cancelled: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn run(quotes: Quotes) -> Running {
    run_in(Hub::new(Limits::default()), quotes)
}

fn run_in(hub: Hub, quotes: Quotes) -> Running {
    let quotes = Arc::new(quotes);
    let cancelled = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&quotes).run(hub.clone(), cancelled.clone()));
    Running {
        hub,
        quotes,
        cancelled,
        task,
    }
}

fn simulated() -> Running {
    run(Quotes::simulated(1).expect("a market"))
}

fn topic(symbol: &str) -> Topic {
    Topic::new(&quote_topic(symbol)).expect("a topic")
}

fn subscribe(hub: &Hub, symbol: &str) -> Subscriber {
    let wanted = Subscription::public(topic(symbol), Start::Now, LagPolicy::Latest);
    hub.subscribe(&wanted).expect("a subscriber")
}

fn matching(text: &str) -> Subscription {
    Subscription {
        topics: Vec::new(),
        patterns: vec![WantedPattern {
            pattern: Pattern::new(text).expect("a pattern"),
            visibility: Visibility::Public,
        }],
        start: Start::Now,
        slow_reader: LagPolicy::Latest,
    }
}

fn kept(hub: &Hub, symbol: &str) -> Vec<Quote> {
    let all = HistoryQuery {
        count: 10_000,
        ..HistoryQuery::newest()
    };
    let events = hub.snapshot(&topic(symbol), &all).events;
    let quotes = events
        .iter()
        .map(|entry| serde_json::from_str(&entry.event.data));
    quotes.collect::<Result<_, _>>().expect("quotes")
}

fn read(subscriber: &mut Subscriber) -> Vec<Quote> {
    let mut quotes = Vec::new();
    while subscriber.is_ready() {
        match subscriber.read(usize::MAX) {
            ReadOutcome::Batch(batch) => {
                quotes.extend(batch.entries().iter().map(|entry| {
                    serde_json::from_str::<Quote>(&entry.event.data).expect("a quote")
                }))
            }
            ReadOutcome::Nothing => {}
            other => panic!("{other:?}"),
        }
    }
    quotes
}

async fn pass(seconds: u64) {
    // In steps, since the feed publishes at each.
    for _ in 0..seconds {
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_no_client_reads_publishes_nothing() {
    let running = simulated();
    let _reader = running.hub.subscribe(&matching("*")).expect("a subscriber");
    pass(600).await;
    assert_eq!(running.hub.totals().published, 0);
}

#[tokio::test(start_paused = true)]
async fn prices_come_while_a_symbol_is_read_and_end_a_minute_later() {
    let running = simulated();
    let mut reader = subscribe(&running.hub, "AAPL");
    pass(3).await;
    read(&mut reader);
    let before = running.hub.totals().published;
    pass(10).await;
    let published = running.hub.totals().published - before;
    assert!(
        (950..=1_050).contains(&published),
        "100 a second: {published}"
    );
    let quotes = read(&mut reader);
    assert!(
        (18..=22).contains(&quotes.len()),
        "two a second: {}",
        quotes.len()
    );
    for quote in &quotes {
        assert_eq!(quote.symbol, "AAPL");
        assert_eq!(rounded(quote.price - 227.5), quote.change);
    }
    drop(reader);
    pass(LINGER.as_secs() + 3).await;
    let stopped = running.hub.totals().published;
    pass(600).await;
    assert_eq!(running.hub.totals().published, stopped);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_the_feeds_own_pattern_wakes_it_and_a_page_does() {
    for is_page in [false, true] {
        let running = simulated();
        let pattern = matching("quotes/A*");
        let mut reader = None;
        if is_page {
            running.quotes.wake().await;
        } else {
            reader = Some(running.hub.subscribe(&pattern).expect("a subscriber"));
            pass(2).await;
        }
        assert!(!kept(&running.hub, "AAPL").is_empty(), "{is_page}");
        drop(reader);
    }
}

#[tokio::test(start_paused = true)]
async fn one_price_in_four_seconds_is_kept_of_each_symbol() {
    let running = simulated();
    let _reader = subscribe(&running.hub, "KO");
    pass(3).await;
    let before = kept(&running.hub, "V").len();
    pass(40).await;
    let kept = kept(&running.hub, "V").len() - before;
    assert!((9..=11).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn a_market_that_wakes_tells_what_it_did_in_the_last_hour() {
    let running = simulated();
    running.quotes.wake().await;
    let quotes = kept(&running.hub, "NVDA");
    assert!((59..=62).contains(&quotes.len()), "{}", quotes.len());
    assert!(quotes.is_sorted_by(|a, b| a.time < b.time));
    let [first, last] = [&quotes[0], &quotes[quotes.len() - 1]]
        .map(|quote| DateTime::parse_from_rfc3339(&quote.time).expect("a time"));
    assert!((57..=60).contains(&(last - first).num_minutes()));
    assert!(quotes.windows(2).any(|pair| pair[0].price != pair[1].price));
}

#[tokio::test(start_paused = true)]
async fn a_market_goes_on_from_the_prices_of_an_earlier_run() {
    let hub = Hub::new(Limits::default());
    let quote = r#"{"symbol":"KO","price":99.5,"change":29.3,"time":"2026-11-26T16:12:37.123Z"}"#;
    let event = PublishRequest::text(quote);
    hub.publish(&topic("KO"), event, Preconditions::default())
        .await
        .expect("published");
    let running = run_in(hub, Quotes::simulated(1).expect("a market"));
    running.quotes.wake().await;
    pass(5).await;
    let quotes = kept(&running.hub, "KO");
    let newest = quotes.last().expect("a price").price;
    assert!((95.0..105.0).contains(&newest), "{newest}");
    assert!(
        quotes.len() < 5,
        "nothing is told of the time before: {}",
        quotes.len()
    );
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_publish_equal_prices() {
    let mut prices = Vec::new();
    for _ in 0..2 {
        let running = simulated();
        running.quotes.wake().await;
        pass(8).await;
        let quotes = kept(&running.hub, "IBM");
        prices.push(
            quotes
                .iter()
                .take(59)
                .map(|quote| quote.price)
                .collect::<Vec<_>>(),
        );
        running.cancelled.cancel();
        running.task.await.expect("the end");
    }
    assert_eq!(prices[0], prices[1]);
}

fn replay(ticks: &str) -> Running {
    let path = std::env::temp_dir().join(format!(
        "fairwind-replay-{}-{}.csv",
        std::process::id(),
        fastrand::u64(..)
    ));
    std::fs::write(&path, ticks).expect("a file");
    let quotes = Quotes::from_file(&path).expect("ticks");
    std::fs::remove_file(&path).expect("no file");
    run(quotes)
}

#[tokio::test(start_paused = true)]
async fn a_file_is_replayed_with_its_own_timing_and_begins_again() {
    let running = replay("time,symbol,price\n1000,A,10\n1500,A,10.5\n4500,B,7\n4500,A,11\n");
    assert_eq!(running.quotes.symbols().collect::<Vec<_>>(), ["A", "B"]);
    assert!(!running.quotes.is_simulated());
    let mut reader = subscribe(&running.hub, "A");
    reader.ready().await;
    let started = Instant::now();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        reader.ready().await;
        for quote in read(&mut reader) {
            seen.push((started.elapsed().as_millis(), quote.price, quote.change));
        }
    }
    let expected = [
        (0, 10.0, 0.0),
        (500, 10.5, 0.5),
        (3_500, 11.0, 1.0),
        (4_500, 10.0, 0.0),
    ];
    for ((at, price, change), (expected_at, expected_price, expected_change)) in
        seen.iter().zip(expected)
    {
        assert_eq!((*price, *change), (expected_price, expected_change));
        assert!(at.abs_diff(expected_at) <= 5, "{at} for {expected_at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_stands_still_while_no_client_reads_it() {
    let running = replay("time,symbol,price\n0,A,1\n600000,A,2\n");
    let reader = subscribe(&running.hub, "A");
    pass(5).await;
    drop(reader);
    pass(2 * 600).await;
    let quotes = kept(&running.hub, "A");
    assert_eq!(
        quotes.iter().map(|quote| quote.price).collect::<Vec<_>>(),
        [1.0]
    );
}

#[test]
fn a_symbol_is_a_word_that_a_url_carries() {
    for symbol in ["A", "BRK.B", "EUR-USD", "^GSPC", "ES=F", "0700.HK"] {
        assert_eq!(check_symbol(symbol), Ok(()), "{symbol}");
    }
    for symbol in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "x".repeat(17).as_str(),
        "上",
        "<b>",
        "a&b",
    ] {
        assert!(check_symbol(symbol).is_err(), "{symbol}");
    }
}
