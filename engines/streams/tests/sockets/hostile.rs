//! servers that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Running, feed, hold, server, tcp_server};
use futures_util::SinkExt as _;
use quarterdeck_streams::config::{MetricConfig, MetricKind};
use quarterdeck_streams::{FeedState, FeedView};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// Answers the handshake and gives the bare stream, so that anything can be sent.
async fn bare(stream: TcpStream) -> TcpStream {
    tokio_tungstenite::accept_async(stream).await.unwrap().into_inner()
}

fn error(view: &FeedView) -> &str {
    view.last_error.as_ref().map_or("", |e| &*e.1)
}

#[tokio::test]
async fn a_server_that_answers_no_ping_is_left_and_tried_again() {
    let url = server(|socket, connection| async move {
        if connection == 1 {
            // Never read from: pings are never seen.
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        hold(socket).await;
    })
    .await;
    let mut config = feed(&url);
    config.ping_interval = Duration::from_millis(50);
    config.pong_timeout = Duration::from_millis(100);
    let engine = Running::feed(config);
    let view = engine.until(|f| f.stats.reconnects == 1 && f.stats.round_trip_ms.is_some()).await;
    assert_eq!(error(&view), "nothing came back within 100ms after a ping");
    assert_eq!(view.state, FeedState::Live);
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_is_given_up() {
    let url = tcp_server(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let mut config = feed(&url);
    config.connect_timeout = Duration::from_millis(100);
    let engine = Running::feed(config);
    let view = engine.until(|f| matches!(f.state, FeedState::Waiting { .. })).await;
    assert_eq!(error(&view), "the connection did not stand within 100ms");
    engine.until(|f| matches!(f.state, FeedState::Connecting { attempt: 3 })).await;
}

#[tokio::test]
async fn a_frame_of_100_mb_is_refused_before_it_is_held() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let url = tcp_server(move |stream, connection| {
        let counted = Arc::clone(&counted);
        async move {
            let mut stream = bare(stream).await;
            if connection > 1 {
                return hold_bare(stream).await;
            }
            // A final text frame whose length is told in eight bytes.
            let mut header = vec![0x81, 127];
            header.extend((100u64 << 20).to_be_bytes());
            stream.write_all(&header).await.unwrap();
            let chunk = vec![b'x'; 1 << 20];
            for _ in 0..100 {
                if stream.write_all(&chunk).await.is_err() {
                    return;
                }
                counted.fetch_add(chunk.len(), Ordering::Relaxed);
            }
        }
    })
    .await;
    let engine = Running::feed(feed(&url));
    let view = engine.until(|f| f.stats.reconnects == 1 && f.state == FeedState::Live).await;
    assert_eq!(
        error(&view),
        "a message of at least 104857600 bytes came, 1048576 are allowed (max_message_bytes)"
    );
    assert_eq!(view.stats.bad, 1);
    let taken = sent.load(Ordering::Relaxed);
    assert!(taken < 32 << 20, "{taken} bytes were read of a message that is refused");
}

async fn hold_bare(mut stream: TcpStream) {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
}

#[tokio::test]
async fn many_fragments_do_not_get_around_the_limit() {
    let url = tcp_server(|stream, _| async move {
        let mut stream = bare(stream).await;
        let part = vec![b'x'; 60_000];
        for i in 0..64u8 {
            // Text first, continuations after it; the final bit is never set.
            let mut frame = vec![u8::from(i == 0), 126];
            frame.extend(60_000u16.to_be_bytes());
            frame.extend(&part);
            if stream.write_all(&frame).await.is_err() {
                return;
            }
        }
        hold_bare(stream).await;
    })
    .await;
    let engine = Running::feed(feed(&url));
    let view = engine.until(|f| f.last_error.is_some()).await;
    assert!(error(&view).ends_with("1048576 are allowed (max_message_bytes)"), "{}", error(&view));
}

#[tokio::test]
async fn invalid_utf_8_ends_the_connection_and_is_counted() {
    let url = tcp_server(|stream, connection| async move {
        let mut stream = bare(stream).await;
        if connection == 1 {
            stream.write_all(&[0x81, 4, b'{', 0xff, 0xfe, b'}']).await.unwrap();
        }
        hold_bare(stream).await;
    })
    .await;
    let engine = Running::feed(feed(&url));
    let view = engine.until(|f| f.stats.reconnects == 1).await;
    assert_eq!(error(&view), "a text message is not valid UTF-8");
    assert_eq!(view.stats.bad, 1);
}

#[tokio::test]
async fn binary_and_unreadable_messages_are_counted_and_the_rest_goes_on() {
    let url = server(|mut socket, _| async move {
        for message in [
            Message::binary(br#"{"a":1}"#.to_vec()),
            Message::binary(vec![0xff, 0x00, 0x80]),
            Message::text("not json"),
            Message::text("{\"a\":"),
            Message::text("\u{feff}{}"),
            Message::text("[".repeat(100_000)),
            Message::text(r#"{"a":2}"#),
        ] {
            socket.send(message).await.unwrap();
        }
        hold(socket).await;
    })
    .await;
    let mut config = feed(&url);
    config.fields.insert("a".to_owned(), "a".to_owned());
    config.row_bytes = 8;
    let engine = Running::feed(config);
    let view = engine.until(|f| f.stats.messages == 7 && f.rows.len() == 7).await;
    assert_eq!((view.stats.bad, view.stats.binary, view.stats.records), (5, 2, 2));
    assert_eq!(view.state, FeedState::Live);
    assert!(error(&view).starts_with("a message is not JSON: "), "{}", error(&view));
    let raw: Vec<&str> = view.rows.iter().map(|r| &*r.raw).collect();
    assert_eq!(raw[1], "3 bytes, binary");
    assert_eq!(raw[5], "[[[[[[[[", "texts of rows are bounded");
    assert_eq!(view.rows.last().unwrap().cells[0].number(), Some(2.0));
}

#[tokio::test]
async fn control_characters_and_bidi_overrides_stay_data() {
    const NAME: &str = "A\u{1b}[2J\u{202e}B\u{0}";
    let url = server(|mut socket, _| async move {
        let text = format!("{{\"symbol\":{NAME:?},\"p\":1}}")
            .replace("\\u{1b}", "\\u001b")
            .replace("\\u{202e}", "\\u202e")
            .replace("\\0", "\\u0000");
        socket.send(Message::text(text)).await.unwrap();
        let long = format!("{{\"symbol\":\"{}\",\"p\":2}}", "x".repeat(5_000));
        socket.send(Message::text(long)).await.unwrap();
        hold(socket).await;
    })
    .await;
    let mut config = feed(&url);
    config.fields.insert("symbol".to_owned(), "symbol".to_owned());
    config.metrics.push(MetricConfig {
        name: "price".to_owned(),
        path: Some("p".to_owned()),
        kind: MetricKind::Gauge,
        labels: [("symbol".to_owned(), "symbol".to_owned())].into(),
        help: String::new(),
        unit: String::new(),
    });
    let engine = Running::feed(config);
    let view = engine.until(|f| f.rows.len() == 2).await;
    assert_eq!(view.rows.iter().next().unwrap().cells[0].to_string(), NAME);
    engine.until_stored(|s| s.len() == 1).await;
    let labels = engine.store.labels();
    assert_eq!(labels[0].get("symbol"), Some(NAME));
    assert_eq!(labels[0].iter().map(|(n, _)| n).collect::<Vec<_>>(), ["__name__", "stream", "symbol"]);
    assert_eq!(view.stats.refused, 1, "a label value of 5,000 bytes is refused");
}

#[tokio::test]
async fn the_number_of_series_is_bounded() {
    let url = server(|mut socket, _| async move {
        for n in 0..200 {
            socket.send(Message::text(format!("{{\"id\":{n}}}"))).await.unwrap();
        }
        hold(socket).await;
    })
    .await;
    let mut config = feed(&url);
    config.max_series = 10;
    config.metrics.push(MetricConfig {
        name: "seen_total".to_owned(),
        path: None,
        kind: MetricKind::Counter,
        labels: [("id".to_owned(), "id".to_owned())].into(),
        help: String::new(),
        unit: String::new(),
    });
    let engine = Running::feed(config);
    let view = engine.until(|f| f.stats.records == 200).await;
    assert_eq!((view.stats.series, view.stats.refused), (10, 190));
    assert_eq!(engine.until_stored(|s| s.len() == 10).await.len(), 10);
}

#[tokio::test]
async fn a_server_that_goes_in_the_middle_of_a_message_is_tried_again() {
    let url = tcp_server(|stream, connection| async move {
        let mut stream = bare(stream).await;
        if connection == 1 {
            stream.write_all(&[0x81, 100, b'{', b'"']).await.unwrap();
            return;
        }
        hold_bare(stream).await;
    })
    .await;
    let engine = Running::feed(feed(&url));
    let view = engine.until(|f| f.stats.reconnects == 1).await;
    assert_eq!(error(&view), "the server ended the connection without closing it");
    assert_eq!(view.stats.records, 0);
}

#[tokio::test]
async fn what_is_no_websocket_says_so() {
    let url = tcp_server(|mut stream, _| async move {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let engine = Running::feed(feed(&url));
    let view = engine.until(|f| f.last_error.is_some()).await;
    assert_eq!(
        error(&view),
        "cannot connect: the server answered 404 Not Found instead of opening a WebSocket"
    );
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let engine = Running::feed(feed(&format!("ws://{nobody}/")));
    let view = engine.until(|f| f.last_error.is_some()).await;
    assert!(error(&view).starts_with("cannot connect: Connection refused"), "{}", error(&view));
}

#[tokio::test]
async fn a_quiet_feed_is_stale_until_it_speaks() {
    let url = server(|mut socket, _| async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        socket.send(Message::text("{}")).await.unwrap();
        hold(socket).await;
    })
    .await;
    let mut config = feed(&url);
    config.stale_after = Duration::from_millis(100);
    let engine = Running::feed(config);
    engine.until(|f| f.state == FeedState::Stale).await;
    engine.until(|f| f.state == FeedState::Live && f.stats.records == 1).await;
    engine.until(|f| f.state == FeedState::Stale).await;
}
