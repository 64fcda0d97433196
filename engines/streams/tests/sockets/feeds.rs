//! what a well-behaved server sends.

use std::time::Duration;

use crate::support::{Running, feed, hold, server, tcp_server};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use quarterdeck_kernel::{Actor, Invocation, Subject, SubjectKind};
use quarterdeck_metrics::ingest::MetricType;
use quarterdeck_streams::config::{HeaderValue, Overflow};
use quarterdeck_streams::{Cell, Config, FeedConfig, FeedState};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

fn quotes(url: &str) -> FeedConfig {
    let toml = format!(
        r#"
        url = "{url}"
        subscribe = ['{{"subscribe":"AAA"}}', '{{"subscribe":"BBB"}}']
        fields = {{ symbol = "symbol", price = "quote.last", size = "quote.sizes[1]" }}
        columns = ["symbol", "price"]
        sequence = {{ path = "seq", key = "symbol" }}
        timestamp = {{ path = "ts" }}
        labels = {{ venue = "test" }}
        backoff = {{ min = "20ms", max = "50ms" }}

        [[metrics]]
        name = "quote_price_dollars"
        path = "quote.last"
        labels = {{ symbol = "symbol" }}
        help = "Last price"

        [[metrics]]
        name = "quotes_total"
        type = "counter"
        labels = {{ symbol = "symbol" }}

        [[metrics]]
        name = "volume_total"
        type = "counter"
        path = "quote.sizes[0]"
        "#
    );
    toml::from_str(&toml).unwrap()
}

fn quote(symbol: &str, seq: u64, last: &str) -> Message {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let text =
        format!(r#"{{"symbol":"{symbol}","seq":{seq},"ts":{now},"quote":{{"last":{last},"sizes":[5,7]}}}}"#);
    Message::text(text)
}

#[tokio::test]
async fn subscriptions_are_sent_and_rows_and_series_arrive() {
    let url = server(|mut socket, _| async move {
        for symbol in ["AAA", "BBB"] {
            let asked = socket.next().await.unwrap().unwrap();
            assert_eq!(asked.to_text().unwrap(), format!("{{\"subscribe\":\"{symbol}\"}}"));
        }
        for message in [quote("AAA", 1, "10.5"), quote("BBB", 1, "\"20.25\""), quote("AAA", 2, "11")] {
            socket.send(message).await.unwrap();
        }
        hold(socket).await;
    })
    .await;
    let engine = Running::feed(quotes(&url));
    let view = engine.until(|f| f.stats.records == 3).await;
    assert_eq!(view.state, FeedState::Live);
    assert_eq!(view.columns.iter().map(|c| &**c).collect::<Vec<_>>(), ["symbol", "price", "size"]);
    let rows: Vec<Vec<String>> =
        view.rows.iter().map(|r| r.cells.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(rows, [["AAA", "10.5", "7"], ["BBB", "20.25", "7"], ["AAA", "11", "7"]]);
    assert_eq!(view.rows.last().unwrap().cells[1], Cell::Integer(11));
    assert!(view.stats.lag_ms.unwrap().abs() < 5_000.0);
    assert_eq!((view.stats.messages, view.stats.bad, view.stats.missing), (3, 0, 0));
    let stored = engine.until_stored(|s| s.len() == 5).await;
    let of =
        |metric: &str, rest: &str| stored[&format!("{metric}{{stream=\"quotes\"{rest}, venue=\"test\"}}")];
    assert_eq!(of("quote_price_dollars", ", symbol=\"AAA\""), 11.0);
    assert_eq!(of("quote_price_dollars", ", symbol=\"BBB\""), 20.25);
    assert_eq!(of("quotes_total", ", symbol=\"AAA\""), 2.0);
    assert_eq!(of("volume_total", ""), 15.0);
    let described = engine.store.described();
    assert_eq!(described["quotes_total"].kind, MetricType::Counter);
    assert_eq!(described["quote_price_dollars"].help, "Last price");
}

#[tokio::test]
async fn headers_are_sent_and_never_shown() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let url = tcp_server(move |stream, _| {
        let told = told.clone();
        async move {
            #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
            let look = |request: &Request, response: Response| {
                let headers = request.headers();
                let _ = told.send((headers["x-key"].clone(), headers["authorization"].clone()));
                Ok(response)
            };
            let socket = tokio_tungstenite::accept_hdr_async(stream, look).await.unwrap();
            hold(socket).await;
        }
    })
    .await;
    let mut config = feed(&url.replace("ws://", "ws://ann:s3cret@"));
    config.url.push_str("?token=s3cret");
    let key = std::env::temp_dir().join(format!("quarterdeck-streams-key-{}", std::process::id()));
    std::fs::write(&key, "s3cret-key\n").unwrap();
    config.headers.insert("X-Key".to_owned(), HeaderValue::File { file: key.clone() });
    let engine = Running::feed(config);
    let view = engine.until(|f| f.state == FeedState::Live).await;
    let (x_key, authorization) = heard.recv().await.unwrap();
    assert_eq!(x_key, "s3cret-key");
    assert_eq!(authorization, "Basic YW5uOnMzY3JldA==");
    assert!(!format!("{view:?}").contains("s3cret"), "{view:?}");
    std::fs::remove_file(key).unwrap();
}

#[tokio::test]
async fn gaps_are_counted_per_key_and_across_connections() {
    let url = server(|mut socket, connection| async move {
        let numbers: &[(&str, u64)] = match connection {
            1 => &[("AAA", 1), ("BBB", 100), ("AAA", 2), ("AAA", 5), ("BBB", 101), ("BBB", 101)],
            // AAA went on in between, BBB has begun anew.
            _ => &[("AAA", 8), ("BBB", 1), ("BBB", 2)],
        };
        for (symbol, seq) in numbers {
            socket.send(quote(symbol, *seq, "1")).await.unwrap();
        }
        if connection == 1 {
            socket.close(None).await.unwrap();
        }
        hold(socket).await;
    })
    .await;
    let engine = Running::feed(quotes(&url));
    let view = engine.until(|f| f.stats.records == 9).await;
    assert_eq!((view.stats.missing, view.stats.gaps), (2 + 2, 2));
    assert_eq!((view.stats.out_of_order, view.stats.sequence_keys), (1, 2));
    assert_eq!(view.stats.reconnects, 1);
    assert_eq!(&*view.last_error.as_ref().unwrap().1, "the server closed the connection");
}

#[tokio::test]
async fn records_of_one_message_become_rows() {
    let url = server(|mut socket, _| async move {
        let text = r#"{"type":"batch","data":[{"p":1},{"p":2},{"p":3}],"seq":9}"#;
        socket.send(Message::text(text)).await.unwrap();
        hold(socket).await;
    })
    .await;
    let mut config = feed(&url);
    config.records = Some("data".to_owned());
    config.fields =
        [("p", "p"), ("seq", "$.seq")].map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
    let engine = Running::feed(config);
    let view = engine.until(|f| f.rows.len() == 3).await;
    let cells: Vec<_> = view.rows.iter().map(|r| format!("{}/{}", r.cells[0], r.cells[1])).collect();
    assert_eq!(cells, ["1/9", "2/9", "3/9"]);
    assert_eq!((view.stats.messages, view.stats.records), (1, 3));
}

#[tokio::test]
async fn a_burst_overflows_as_configured() {
    const BURST: u64 = 5_000;
    for (overflow, dropped) in
        [(Overflow::DropOldest, true), (Overflow::DropNewest, true), (Overflow::Block, false)]
    {
        let url = server(|mut socket, _| async move {
            for n in 1..=BURST {
                socket.feed(Message::text(format!("{{\"n\":{n}}}"))).await.unwrap();
            }
            socket.flush().await.unwrap();
            hold(socket).await;
        })
        .await;
        let mut config = feed(&url);
        config.buffer = 16;
        config.on_overflow = overflow;
        config.fields.insert("n".to_owned(), "n".to_owned());
        let engine = Running::feed(config);
        let view = engine.until(|f| f.stats.messages == BURST && f.stats.queued == 0).await;
        assert_eq!(view.stats.dropped > 0, dropped, "{overflow:?}: {:?}", view.stats);
        assert_eq!(view.stats.records + view.stats.dropped, BURST, "{overflow:?}");
        let last = view.rows.last().unwrap().cells[0].clone();
        match overflow {
            Overflow::DropOldest | Overflow::Block => {
                assert_eq!(last, Cell::Integer(BURST as i64), "{overflow:?}");
            }
            Overflow::DropNewest => {
                let first_kept = view.rows.get(0).map(|r| r.cells[0].clone());
                assert!(first_kept.is_some_and(|c| c.number() <= Some(BURST as f64)));
            }
        }
    }
}

#[tokio::test]
async fn operators_pause_resume_and_reconnect() {
    let url = server(|socket, _| hold(socket)).await;
    let engine = Running::feed(feed(&url));
    engine.until(|f| f.state == FeedState::Live).await;
    let on = |action: &str| {
        Invocation::new(action, Actor::default()).on(Subject::new(SubjectKind::Stream, "quotes"))
    };
    let handle = &engine.handle;
    assert_eq!(handle.perform(&on("streams.pause")).await.unwrap(), "quotes is paused");
    engine.until(|f| f.state == FeedState::Paused).await;
    assert_eq!(handle.pause("quotes").await.unwrap_err().0, "quotes is paused; resume it first");
    assert_eq!(handle.resume("quotes").await.unwrap(), "quotes connects again");
    let view = engine.until(|f| f.state == FeedState::Live).await;
    assert_eq!(view.stats.reconnects, 1);
    handle.reconnect("quotes").await.unwrap();
    engine.until(|f| f.state == FeedState::Live && f.stats.reconnects == 2).await;
    assert_eq!(handle.reconnect("nope").await.unwrap_err().0, "there is no feed \"nope\"");
    assert_eq!(handle.resume("quotes").await.unwrap_err().0, "quotes is not paused");
}

#[tokio::test]
async fn a_reload_disturbs_only_what_has_changed() {
    let url = server(|socket, _| hold(socket)).await;
    let mut config = Config::from([("a".to_owned(), feed(&url)), ("b".to_owned(), feed(&url))]);
    let engine = Running::start(config.clone());
    let live = |s: &quarterdeck_streams::Snapshot, names: &[&str]| {
        s.feeds.len() == names.len()
            && names.iter().all(|n| s.feed(n).is_some_and(|f| f.state == FeedState::Live))
    };
    let before = engine.until_snapshot(|s| live(s, &["a", "b"])).await;
    config.remove("b");
    config.insert("c".to_owned(), feed(&url));
    engine.handle.reload(config.clone()).await.unwrap();
    let after = engine.until_snapshot(|s| live(s, &["a", "c"])).await;
    assert_eq!(before.feed("a").unwrap().since, after.feed("a").unwrap().since);
    config.insert("bad".to_owned(), feed("http://x"));
    let wrong = engine.handle.reload(config).await.unwrap_err();
    assert_eq!(wrong[0].0, "bad.url");
    assert!(wrong[0].1.to_string().starts_with("\"http\" is not a scheme of WebSockets"));
    assert!(live(&engine.handle.snapshot(), &["a", "c"]));
}

#[tokio::test]
async fn what_is_gathered_is_stored_at_the_end() {
    let url = server(|mut socket, _| async move {
        socket.next().await.unwrap().unwrap();
        socket.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        socket.send(quote("AAA", 1, "42")).await.unwrap();
        hold(socket).await;
    })
    .await;
    let engine = Running::feed(quotes(&url));
    engine.until(|f| f.stats.records == 1).await;
    let store = engine.stop().await;
    let price = "quote_price_dollars{stream=\"quotes\", symbol=\"AAA\", venue=\"test\"}";
    assert_eq!(store.newest().get(price), Some(&42.0));
}

/// So many messages a second that the feed is read in beats, then one at a time, then the end.
#[tokio::test]
async fn a_busy_feed_loses_nothing_keeps_the_order_and_notices_the_end() {
    let url = server(|mut socket, connection| async move {
        let mut sent = 0;
        for _ in 0..300 {
            sent += 1;
            socket.send(quote("AAA", sent, "1")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if connection == 1 {
            return;
        }
        for _ in 0..10 {
            sent += 1;
            socket.send(quote("AAA", sent, "2")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        hold(socket).await;
    })
    .await;
    let mut config = quotes(&url);
    config.subscribe.clear();
    let engine = Running::feed(config);
    let view = engine.until(|f| f.stats.messages == 610).await;
    let stats = view.stats;
    assert_eq!((stats.missing, stats.out_of_order, stats.dropped, stats.bad), (0, 0, 0, 0));
    assert_eq!((stats.records, stats.reconnects), (610, 1));
    let lag = stats.lag_ms.unwrap();
    assert!((-1.0..5_000.0).contains(&lag), "a message was read before it was sent: lag {lag} ms");
    engine.until_stored(|s| s.iter().any(|(name, v)| name.starts_with("quotes_total") && *v == 610.0)).await;
}

/// Pings are answered, and the operator is obeyed, while the feed is read in beats.
#[tokio::test]
async fn a_busy_feed_answers_and_obeys() {
    let (told, mut pongs) = tokio::sync::mpsc::unbounded_channel();
    let url = server(move |mut socket, _| {
        let told = told.clone();
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(2));
            for n in 1u64.. {
                ticks.tick().await;
                if socket.send(quote("AAA", n, "1")).await.is_err() {
                    return;
                }
                if n % 50 == 0 && socket.send(Message::Ping(n.to_string().into())).await.is_err() {
                    return;
                }
                while let Some(heard) = socket.next().now_or_never() {
                    match heard {
                        Some(Ok(Message::Pong(text))) => told.send(text).unwrap_or_default(),
                        Some(Ok(_)) => {}
                        _ => return,
                    }
                }
            }
        }
    })
    .await;
    let mut config = quotes(&url);
    config.subscribe.clear();
    config.ping_interval = Duration::from_millis(200);
    let engine = Running::feed(config);
    for n in 1..=8 {
        let pong = tokio::time::timeout(Duration::from_secs(10), pongs.recv()).await.unwrap().unwrap();
        assert_eq!(pong, (50 * n).to_string());
    }
    let view = engine.until(|f| f.stats.round_trip_ms.is_some()).await;
    assert_eq!((view.stats.missing, view.stats.reconnects), (0, 0));
    engine.handle.pause("quotes").await.unwrap();
    engine.until(|f| f.state == FeedState::Paused).await;
    engine.handle.resume("quotes").await.unwrap();
    engine
        .until(|f| f.state == FeedState::Live && f.stats.reconnects == 1 && f.stats.message_rate > 0.0)
        .await;
}

/// A sender that is faster than what reads: nothing is dropped where the feed is to block, in beats or not.
#[tokio::test]
async fn a_flood_blocks_the_sender_and_loses_nothing() {
    const MANY: u64 = 20_000;
    let url = server(|mut socket, _| async move {
        // Busy first, so that the flood meets a feed that is read in beats.
        for n in 1..=MANY {
            socket.feed(quote("AAA", n, "1")).await.unwrap();
            if n <= 200 || n % 100 == 0 {
                socket.flush().await.unwrap();
            }
            if n <= 200 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        socket.flush().await.unwrap();
        hold(socket).await;
    })
    .await;
    let mut config = quotes(&url);
    config.subscribe.clear();
    config.buffer = 64;
    config.on_overflow = Overflow::Block;
    let engine = Running::feed(config);
    let view = engine.until(|f| f.stats.messages == MANY).await;
    assert_eq!((view.stats.missing, view.stats.dropped, view.stats.out_of_order), (0, 0, 0));
}
