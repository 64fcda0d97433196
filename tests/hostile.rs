//! Targets and feeds that send what nothing should send, all at once, beside one of each that behaves.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use support::{Home, Server, Terminal, eventually};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// Serves connections with a function until the test ends; gives the address.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let serve = std::sync::Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = std::sync::Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A target that answers with a body of a content type.
fn page(content_type: &'static str, body: &'static [u8]) -> String {
    listen(move |mut stream| {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    })
}

/// A target that never ends its body: a gigabyte and more, if it is let.
fn endless() -> String {
    listen(|mut stream| {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
        let lines = b"flood_total 1\n".repeat(64 * 1024);
        for _ in 0..1200 {
            if stream.write_all(&lines).is_err() {
                return;
            }
        }
    })
}

const TEXT: &str = "text/plain; version=0.0.4";
/// Escape sequences, a bell and a bidirectional override in every place where a text may stand.
const TRICKS: &str = "# HELP evil \u{1b}[31mred\u{202e}gnorw\n# TYPE evil gauge\nevil{name=\"\u{1b}]0;owned\u{7}\u{202e}x\"} 1\n";

fn resident_megabytes(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("a living process");
    let line = status.lines().find(|l| l.starts_with("VmHWM")).expect("its peak");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") / 1024
}

fn pictures_are_clean(home: &Home, panes: &[&str]) {
    for pane in panes {
        for ending in ["txt", "svg"] {
            let out = home.path(&format!("{pane}.{ending}")).display().to_string();
            let (code, _, error) = home.run(&["screenshot", pane, "--size", "200x60", "--out", &out]);
            assert_eq!(code, 0, "{error}");
            let drawn = std::fs::read_to_string(&out).expect("a picture");
            assert!(!drawn.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{pane} passes control characters on");
        }
    }
}

fn no_panic(home: &Home) {
    let log = std::fs::read_to_string(home.path("data/quarterdeck/log/quarterdeck.log")).expect("the log");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn hostile_targets_are_told_and_harm_nobody() {
    // What each does, and what the operator is told of it. A busy machine may time out where another failure would come.
    let targets = [
        ("hangs", listen(|_held| std::thread::sleep(Duration::from_secs(3600))), "no complete answer within"),
        ("resets", listen(drop), "connection"),
        ("floods", endless(), "body_size_limit exceeded"),
        ("garbage", page(TEXT, b"\x00\xff\xfe\x01 not metrics {{{\n"), "cannot be read"),
        (
            "html",
            page("text/html", b"<html><body>Welcome to nginx!</body></html>"),
            "\"text/html\" is not supported",
        ),
        (
            "half",
            listen(|mut stream| {
                // What was asked is read, so that the end is an end and not a reset.
                drop(stream.read(&mut [0; 4096]));
                drop(stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nmetric 1\n",
                ));
            }),
            "body",
        ),
    ];
    let odd = [
        ("twice", page(TEXT, b"twice_total 1\ntwice_total 2\nonce_total 3\n")),
        (
            "numbers",
            page(
                TEXT,
                b"odd_nan NaN\nodd_inf +Inf\nodd_future 1 99999999999999999\nodd_past 1 -99999999999999999\n",
            ),
        ),
        ("tricks", page(TEXT, TRICKS.as_bytes())),
    ];
    let good = page(TEXT, b"good_total 42\n");
    let mut text =
        "[metrics.host]\nenabled = false\n[scrape]\ninterval = \"1s\"\ntimeout = \"1s\"\n".to_owned();
    let hostile = targets.iter().map(|(name, address, _)| (*name, address));
    let others = odd.iter().map(|(name, address)| (*name, address));
    for (name, address) in hostile.chain(others).chain([("good", &good)]) {
        text.push_str(&format!("[[scrape.jobs]]\nname = \"{name}\"\ntargets = [\"{address}\"]\n"));
    }
    let home = Home::new();
    let config = home.file("quarterdeck.toml", &text).display().to_string();
    let mut server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);

    eventually("the one that behaves is scraped", || server.query("good_total == 42").pop());
    for (name, _, told) in &targets {
        eventually(&format!("{name} is down"), || server.query(&format!("up{{job=\"{name}\"}} == 0")).pop());
        eventually(&format!("{name} is told as {told:?}"), || {
            let targets = server.json("/api/v1/targets");
            let all = targets["data"]["activeTargets"].as_array()?.clone();
            let error = all.iter().find(|t| t["labels"]["job"] == *name)?["lastError"].as_str()?.to_owned();
            (!error.is_empty() && error.contains(told)).then_some(())
        });
    }
    let out = home.path("all.txt").display().to_string();
    let (code, _, error) = home.run(&["screenshot", "targets", "--size", "200x60", "--out", &out]);
    assert_eq!(code, 0, "{error}");
    let shown = std::fs::read_to_string(&out).expect("a picture");
    for (name, _, _) in &targets {
        let row = shown
            .lines()
            .find(|l| l.contains(&format!(" {name} ")))
            .unwrap_or_else(|| panic!("{name}:\n{shown}"));
        assert!(row.contains("down"), "{row}");
    }
    eventually("the first of two values counts, and the rest of the page", || {
        let found = |promql: &str| server.query(promql).pop();
        found("twice_total == 1").and(found("once_total == 3")).and(found("up{job=\"twice\"} == 1"))
    });
    eventually("NaN and infinity are samples", || {
        (server.query("{__name__=~\"odd_nan|odd_inf\"}").len() == 2).then_some(())
    });
    assert!(server.query("odd_future").is_empty(), "a sample of the far future is not taken");
    assert!(!server.query("evil").is_empty());
    pictures_are_clean(&home, &["targets", "overview", "self"]);
    let (code, printed, _) = home.run(&["query", "evil"]);
    assert_eq!(code, 0);
    assert!(!printed.contains(['\u{1b}', '\u{7}', '\u{202e}']), "a terminal is not taken over: {printed:?}");

    // Several rounds of all of it later it is still small, alive, and ends as it should.
    std::thread::sleep(Duration::from_secs(3));
    let peak = resident_megabytes(&server);
    assert!(peak < 300, "{peak} MB resident at its peak");
    assert_eq!(server.get("/readyz").0, 200);
    eventually("the one that behaves still is scraped", || server.query("up{job=\"good\"} == 1").pop());
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    no_panic(&home);
}

/// A feed whose server does something with each connection.
fn feed(serve: impl Fn(&mut WebSocket<TcpStream>) + Send + Sync + 'static) -> String {
    listen(move |stream| {
        if let Ok(mut socket) = tungstenite::accept(stream) {
            serve(&mut socket);
        }
    })
}

fn until_closed(socket: &mut WebSocket<TcpStream>) {
    while socket.read().is_ok() {}
}

#[test]
fn hostile_feeds_are_told_and_harm_nobody() {
    let feeds = [
        (
            "binary",
            feed(|s| (0..1000).for_each(|n: u32| drop(s.send(Message::binary(n.to_le_bytes().to_vec()))))),
        ),
        (
            "invalid",
            feed(|s| {
                // A text frame whose two bytes are no UTF-8.
                let _ = s.get_mut().write_all(&[0x81, 2, 0xff, 0xfe]);
                until_closed(s);
            }),
        ),
        (
            "huge",
            feed(|s| {
                let mut head = vec![0x81, 127];
                head.extend((100u64 << 20).to_be_bytes());
                let _ = s.get_mut().write_all(&head);
                let chunk = vec![b'x'; 1 << 20];
                while s.get_mut().write_all(&chunk).is_ok() {}
            }),
        ),
        (
            "nonsense",
            feed(|s| {
                let _ = s.send(Message::text("{\"seq\":1e999,\"symbol\":[[[[\"\u{1b}[2J\u{202e}\"]]]]}"));
                // The same in a name: it becomes a label of a series.
                let _ = s.send(Message::text("{\"price\":7,\"symbol\":\"\\u001b]0;owned\\u0007\\u202ex\"}"));
                let _ = s.send(Message::text("not json \u{1b}]0;owned\u{7} \u{202e}"));
                let _ = s.send(Message::text("[".repeat(100_000)));
                until_closed(s);
            }),
        ),
        ("refuses", listen(|mut stream| drop(stream.write_all(b"HTTP/1.1 418 I'm a teapot\r\n\r\n")))),
    ];
    let good = feed(|s| {
        for n in 0u64.. {
            if s.send(Message::text(format!("{{\"seq\":{n},\"price\":{n}}}"))).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let mut text = "[metrics.host]\nenabled = false\n".to_owned();
    for (name, address) in feeds.iter().chain(&[("good", good)]) {
        text.push_str(&format!(
            "[streams.{name}]\nurl = \"ws://{address}/\"\nsequence = {{ path = \"seq\" }}\n"
        ));
        text.push_str(&format!(
            "[[streams.{name}.metrics]]\nname = \"{name}_price\"\npath = \"price\"\nlabels = {{ symbol = \"symbol\" }}\n"
        ));
    }
    let home = Home::new();
    let config = home.file("quarterdeck.toml", &text).display().to_string();
    let mut server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);
    let price = || server.query("good_price").first().and_then(|(_, value)| value.parse::<f64>().ok());
    let first = eventually("the one that behaves flows", price);
    eventually("and goes on", || price().filter(|now| *now > first + 100.0));
    // Each is told: what cannot be read is counted, and a connection that cannot go on is tried again.
    let told = |what: &str, name: &str| {
        let promql = format!("quarterdeck_stream_{what}_total{{stream=\"{name}\"}}");
        server.query(&promql).pop().and_then(|(_, n)| n.parse::<f64>().ok())
    };
    for (what, name) in [
        ("messages_bad", "binary"),
        ("messages_bad", "nonsense"),
        ("messages_bad", "invalid"),
        ("reconnects", "invalid"),
        ("reconnects", "huge"),
    ] {
        eventually(&format!("{what} of {name}"), || told(what, name).filter(|n| *n > 0.0));
    }
    eventually("a name with control characters is a label as it came", || {
        server.query("nonsense_price{symbol=~\".*owned.*\"} == 7").pop()
    });
    assert_eq!(told("messages_bad", "good"), Some(0.0));
    let out = home.path("feeds.txt").display().to_string();
    let (code, _, error) = home.run(&["screenshot", "streams", "--size", "200x60", "--out", &out]);
    assert_eq!(code, 0, "{error}");
    let shown = std::fs::read_to_string(&out).expect("a picture");
    for words in ["bytes came", "not valid UTF-8", "418"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    pictures_are_clean(&home, &["overview", "self", "streams"]);
    let peak = resident_megabytes(&server);
    assert!(peak < 300, "{peak} MB resident at its peak");
    assert_eq!(server.get("/readyz").0, 200);
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    no_panic(&home);
}

/// What arrives at the terminal itself: no title, no bell, no sequence of a stranger's.
#[test]
fn strangers_do_not_reach_the_terminal() {
    let evil = page(TEXT, TRICKS.as_bytes());
    let text = format!(
        "[scrape]\ninterval = \"1s\"\ntimeout = \"1s\"\n[[scrape.jobs]]\nname = \"evil\"\ntargets = [\"{evil}\"]\nlabels = {{ service = \"ev\u{202e}il\" }}\n"
    );
    let home = Home::new();
    let config = home.file("quarterdeck.toml", &text).display().to_string();
    let mut terminal = Terminal::start(&home, &["--config", &config, "--listen", "127.0.0.1:0"], 120, 40);
    terminal.wait_for("console started");
    terminal.send(":");
    terminal.wait_for("─ palette ─");
    terminal.send("targets\r");
    terminal.wait_until("the target is up", |text| text.contains(" up ") && text.contains("evil"));
    terminal.send("\r");
    std::thread::sleep(Duration::from_secs(2));
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!raw.contains("]0;owned") && !raw.contains('\u{202e}'), "{}", terminal.text());
    terminal.signal(Signal::TERM);
    terminal.wait();
    assert!(terminal.restored());
}
