//! The gateway in a process of its own, seen from outside: what it holds in memory, and what it does without file descriptors.
//!
//! `QUARTERDECK_LONG=1` streams 1 GiB each way and opens as many tunnels as the machine lets one process have.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use support::{Answer, Gateway, Service, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the child is told: the section of its configuration.
const TOLD: &str = "QUARTERDECK_TEST_GATEWAY";

fn long() -> bool {
    std::env::var_os("QUARTERDECK_LONG").is_some()
}

/// The child: not a test of its own, and nothing where nobody has told it what to be.
#[tokio::test]
async fn the_gateway_of_the_other_tests() {
    let Ok(text) = std::env::var(TOLD) else { return };
    let gateway = Gateway::start(&text).await;
    println!("\nLISTENS {}", gateway.address);
    // It runs until its parent closes the pipe, however the parent ends.
    let read = || std::io::stdin().read(&mut [0]);
    let _ = tokio::task::spawn_blocking(read).await;
    println!("\nACCEPT_ERRORS {}", gateway.handle.snapshot().totals.accept_errors);
}

struct Outside {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Outside {
    /// Starts one with at most so many file descriptors.
    fn start(text: &str, descriptors: Option<u32>) -> Self {
        let exe = std::env::current_exe().unwrap();
        let limit = descriptors.map_or_else(|| "-n $(ulimit -Hn)".to_owned(), |most| format!("-n {most}"));
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")])
            .arg(exe)
            .args(["the_gateway_of_the_other_tests", "--exact", "--nocapture", "--test-threads=1"])
            .env(TOLD, text)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut outside = Self { child, stdin, stdout, address: ([127, 0, 0, 1], 0).into() };
        outside.address = outside.says("LISTENS").parse().unwrap();
        outside
    }

    /// What it says behind a word.
    fn says(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "it ended without a word of {word}");
            if let Some(said) = line.strip_prefix(word) {
                return said.trim().to_owned();
            }
        }
    }

    /// Bytes of memory it has; None where the system does not say.
    fn resident(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
    }

    async fn get(&self) -> Answer {
        Answer::read(&raw(self.address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await)
    }

    /// Ends it; the errors of accepting that it has counted.
    fn end(mut self) -> u64 {
        drop(self.stdin.take());
        let errors = self.says("ACCEPT_ERRORS").parse().unwrap();
        self.child.wait().unwrap();
        errors
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
        let _ = std::io::stdout().flush();
    }
}

/// Sends back what it is sent, as it comes.
async fn mirror_of(length: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                let mut seen = Vec::new();
                let head = loop {
                    let n = stream.read(&mut buffer).await.unwrap();
                    seen.extend_from_slice(&buffer[..n]);
                    if let Some(at) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                        break at + 4;
                    }
                };
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.write_all(&seen[head..]).await.unwrap();
                let mut left = length - (seen.len() - head);
                while left > 0 {
                    let n = stream.read(&mut buffer).await.unwrap();
                    stream.write_all(&buffer[..n]).await.unwrap();
                    left -= n;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn bodies_of_any_length_go_through_flat_memory() {
    const MOST: u64 = 24 << 20;
    let length: usize = if long() { 1 << 30 } else { 96 << 20 };
    let upstream = mirror_of(length).await;
    let gateway = Outside::start(&support::service(&[upstream], ""), None);
    let Some(before) = gateway.resident() else {
        println!("SKIPPED: this system does not say how much memory a process has");
        return;
    };
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let sending = tokio::spawn(async move {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        write.write_all(head.as_bytes()).await.unwrap();
        let part = vec![b'x'; 1 << 16];
        let mut left = length;
        while left > 0 {
            let n = left.min(part.len());
            write.write_all(&part[..n]).await.unwrap();
            left -= n;
        }
        write
    });
    let (mut got, mut peak, mut next) = (0, before, 0);
    let mut buffer = vec![0; 1 << 16];
    while got < length {
        let n = read.read(&mut buffer).await.unwrap();
        assert!(n > 0, "{got} of {length}");
        got += n;
        if got >= next {
            peak = peak.max(gateway.resident().unwrap_or(0));
            next = got + (8 << 20);
        }
    }
    drop(sending.await.unwrap());
    let grown = peak - before;
    println!("{} MiB each way: {} KiB more than before", length >> 20, grown >> 10);
    assert!(grown < MOST, "{} MiB for a body of {} MiB", grown >> 20, length >> 20);
    gateway.end();
}

#[tokio::test]
async fn tunnels_through_which_nothing_goes_cost_little() {
    // 150 MB for 10,000 of them.
    const EACH: u64 = 15_000;
    let upstream = support::by_hand(|mut stream| async move {
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).await;
        let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = stream.write_all(head).await;
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            let _ = stream.write_all(&buffer[..n]).await;
        }
    })
    .await;
    let gateway = Outside::start(&support::service(&[upstream], ""), None);
    let open = || async {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..n].starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&buffer[..n]));
        stream
    };
    // What everything needs once is there already.
    let first = open().await;
    let Some(before) = gateway.resident() else {
        println!("SKIPPED: this system does not say how much memory a process has");
        return;
    };
    let count = if long() { 9_000 } else { 400 };
    let mut tunnels = Vec::new();
    for _ in 0..count {
        tunnels.push(open().await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let grown = gateway.resident().unwrap_or(0).saturating_sub(before);
    println!("{count} tunnels: {} bytes each", grown / count);
    assert!(grown < EACH * count, "{} bytes for each of {count}", grown / count);
    for tunnel in tunnels.iter_mut().step_by(97) {
        tunnel.write_all(b"there?").await.unwrap();
        let mut buffer = [0; 6];
        tunnel.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"there?");
    }
    drop((first, tunnels));
    gateway.end();
}

#[tokio::test]
async fn without_file_descriptors_it_says_so_and_goes_on_when_there_are_some() {
    let service = Service::named("there").await;
    let more = "threads = 1\nservices.s.health = { path = \"/\", period = \"100ms\", failures = 1 }\n";
    let gateway = Outside::start(&support::service(&[service.address], more), Some(48));
    assert_eq!(gateway.get().await.body, "there");
    // The one that came first is served; it needs no new connection to the service.
    let mut first = TcpStream::connect(gateway.address).await.unwrap();
    let mut buffer = vec![0; 4096];
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    first.write_all(request).await.unwrap();
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let mut many = Vec::new();
    for _ in 0..100 {
        many.push(TcpStream::connect(gateway.address).await.unwrap());
    }
    // Of those some are taken in and others wait. Whoever is taken in gets an answer: the service's, or that there is no way
    // to it. Nobody who was served before is dropped.
    let mut waiting = Vec::new();
    for mut stream in many {
        stream.write_all(request).await.unwrap();
        waiting.push(stream);
    }
    let (mut answered, mut refused) = (0, 0);
    for stream in &mut waiting {
        let reading = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut buffer));
        if let Ok(Ok(n @ 1..)) = reading.await {
            let answer = Answer::read(&String::from_utf8_lossy(&buffer[..n]));
            match answer.status {
                200 => answered += 1,
                _ => {
                    // Not that the service fails, which it does not.
                    assert_eq!(answer.code(), "busy", "{answer:?}");
                    refused += 1;
                }
            }
        }
    }
    println!("of 100: {answered} answered, {refused} told that there is no way, the others wait");
    assert!(answered + refused > 0 && answered + refused < 100);
    first.write_all(request).await.unwrap();
    let n = first.read(&mut buffer).await.unwrap();
    let answer = Answer::read(&String::from_utf8_lossy(&buffer[..n]));
    assert_eq!(
        answer.status, 200,
        "who was there before is served still, also by an endpoint whom no check can reach: {answer:?}"
    );
    // With them gone there is room again.
    drop(waiting);
    let mut answer = gateway.get().await;
    for _ in 0..100 {
        if answer.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = gateway.get().await;
    }
    assert_eq!(answer.body, "there", "{answer:?}");
    drop(first);
    // A check that could not be made comes again.
    let asked = service.count();
    support::until("checks go on", || service.count() >= asked + 3).await;
    assert!(gateway.end() > 0, "that nobody could be accepted is counted");
}
