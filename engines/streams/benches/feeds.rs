//! What feeds cost: 50 feeds of 200 messages a second, and one of 20,000, for ten seconds each. The servers run in a
//! process of their own, so that the figures are of the feeds alone. Prints CPU time in percent of one core, drops, the
//! longest pause between two snapshots, and resident memory.
//!
//! `cargo bench -p quarterdeck-streams`

#![allow(clippy::unwrap_used, reason = "a bench may fail")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use quarterdeck_kernel::{Labels, SystemClock};
use quarterdeck_metrics::ingest::{
    AppendReport, Exemplar, Incoming, Ingest, IngestError, Metadata, SeriesId,
};
use quarterdeck_streams::{Config, Engine, FeedConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

const SECONDS: u64 = 10;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::var_os("FEEDS_BENCH_SERVER").is_some() {
        return runtime.block_on(serve());
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .env("FEEDS_BENCH_SERVER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    runtime.block_on(async {
        measure("50 feeds of 200 msg/s", address.trim(), 50, 200).await;
        measure("1 feed of 20,000 msg/s", address.trim(), 1, 20_000).await;
    });
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Counts samples and forgets them: the metrics store is measured by its own bench.
#[derive(Default)]
struct Counting(AtomicU64);

impl Ingest for Counting {
    fn resolve(&self, _: &Labels) -> Result<SeriesId, IngestError> {
        Ok(SeriesId(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn append(&self, samples: &[Incoming]) -> Result<AppendReport, IngestError> {
        Ok(AppendReport { taken: samples.len(), ..AppendReport::default() })
    }

    fn describe(&self, _: &str, _: &Metadata) {}

    fn exemplar(&self, _: SeriesId, _: Exemplar) {}
}

fn config(address: &str, rate: u32) -> FeedConfig {
    let text = format!(
        r#"
        url = "{address}/{rate}"
        fields = {{ symbol = "symbol", bid = "bid", ask = "ask", last = "last", volume = "volume" }}
        sequence = {{ path = "seq" }}
        timestamp = {{ path = "ts" }}

        [[metrics]]
        name = "quote_price"
        path = "last"
        labels = {{ symbol = "symbol" }}

        [[metrics]]
        name = "quotes_total"
        type = "counter"
        labels = {{ symbol = "symbol" }}
        "#
    );
    toml::from_str(&text).unwrap()
}

async fn measure(what: &str, address: &str, feeds: usize, rate: u32) {
    let config: Config = (0..feeds).map(|i| (format!("feed-{i}"), config(address, rate))).collect();
    let (engine, handle) = Engine::new(config, Arc::new(Counting::default()), Arc::new(SystemClock)).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(engine.run(async {
        let _ = stopped.await;
    }));
    // The connections and the first second are not measured.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let total = |f: fn(&quarterdeck_streams::Stats) -> u64| -> u64 {
        handle.snapshot().feeds.iter().map(|v| f(&v.stats)).sum()
    };
    let (cpu, messages, started) = (cpu_seconds(), total(|s| s.messages), Instant::now());
    let mut snapshots = handle.subscribe();
    let (mut longest, mut published, mut last) = (Duration::ZERO, 0u32, Instant::now());
    while started.elapsed() < Duration::from_secs(SECONDS) {
        snapshots.changed().await.unwrap();
        // Taken as a screen would take it: rows of one feed looked at.
        let seen = snapshots.borrow_and_update().feeds[0].rows.iter().rev().take(60).count();
        assert!(seen <= 60);
        longest = longest.max(last.elapsed());
        (published, last) = (published + 1, Instant::now());
    }
    let elapsed = started.elapsed().as_secs_f64();
    let came = (total(|s| s.messages) - messages) as f64 / elapsed;
    println!(
        "{what}: {came:.0} msg/s, {:.1} % of one core, {} dropped, {} missing, {:.0} snapshots/s, longest pause \
         {} ms, {} MB resident",
        100.0 * (cpu_seconds() - cpu) / elapsed,
        total(|s| s.dropped),
        total(|s| s.missing),
        f64::from(published) / elapsed,
        longest.as_millis(),
        resident_megabytes(),
    );
    stop.send(()).unwrap();
    task.await.unwrap();
}

/// CPU time of this process, from the kernel's ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn resident_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("ws://{}", listener.local_addr().unwrap());
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(send(stream));
    }
}

/// Sends quotes at the rate that the path asks for, each a frame of its own.
async fn send(stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut rate = 0u64;
    #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
    let look = |request: &tokio_tungstenite::tungstenite::handshake::server::Request, response| {
        rate = request.uri().path().trim_start_matches('/').parse().unwrap();
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, look).await else { return };
    let (started, mut sent) = (Instant::now(), 0u64);
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            heard = socket.next() => if !matches!(heard, Some(Ok(_))) { return },
        }
        let due = (started.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due {
            sent += 1;
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
            let price = 100.0 + (sent % 997) as f64 / 100.0;
            let text = format!(
                r#"{{"type":"quote","seq":{sent},"ts":{now},"symbol":"SYM{}","bid":{price:.2},"ask":{:.2},"last":{price:.2},"volume":{},"venue":"bench"}}"#,
                sent % 20,
                price + 0.02,
                sent * 7 % 5000,
            );
            // Few senders batch: at moderate rates each message is a packet of its own.
            let message = Message::text(text);
            let done = if rate > 1000 { socket.feed(message).await } else { socket.send(message).await };
            if done.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}
