//! Receivers to deliver to, and a console that delivers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quarterdeck_alertmanager::Config;
use quarterdeck_kernel::time::ManualClock;
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_notify::{
    Action, Attempt, Channel, Notification, NotifiedAlert, Notifier, Outcome, Report, Ring, Settings,
    Templates,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

/// 2024-05-06 09:00 UTC.
pub(crate) const NOW: i64 = 1_714_986_000_000;

/// A request as a receiver saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Say(u16, &'static str, String),
    /// Nothing, for ever.
    Hang,
    /// 200 and a body that does not end.
    Endless,
    /// Closes the connection.
    Close,
}

pub(crate) fn ok() -> Answer {
    Answer::Say(200, "content-type: text/plain", "ok".to_owned())
}

pub(crate) fn status(code: u16) -> Answer {
    Answer::Say(code, "content-type: text/plain", format!("because of {code}"))
}

/// A receiver over HTTP.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    /// Bytes that it has answered.
    pub(crate) answered: Arc<AtomicU64>,
}

impl Receiver {
    /// Starts one; `answer` gets the number of the request, from 0.
    pub(crate) async fn start(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self { port, requests: Arc::default(), answered: Arc::default() };
        let (requests, answered, answer) =
            (Arc::clone(&receiver.requests), Arc::clone(&receiver.answered), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (requests, answered, answer) =
                    (Arc::clone(&requests), Arc::clone(&answered), Arc::clone(&answer));
                tokio::spawn(async move {
                    let _ = serve(stream, &requests, &answered, &*answer).await;
                });
            }
        });
        receiver
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<Request>>,
    answered: &AtomicU64,
    answer: &(impl Fn(usize, &Request) -> Answer + ?Sized),
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let Some(request) = read_request(&mut stream, &mut buffer).await? else { return Ok(()) };
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        match answer(number, &request) {
            Answer::Say(code, headers, body) => {
                let text = format!(
                    "HTTP/1.1 {code} Said\r\n{headers}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(text.as_bytes()).await?;
            }
            Answer::Hang => std::future::pending().await,
            Answer::Close => return Ok(()),
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n").await?;
                loop {
                    let count = stream.write(&[b'x'; 65536]).await?;
                    answered.fetch_add(count as u64, Ordering::Relaxed);
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    let mut more = async |buffer: &mut Vec<u8>| -> std::io::Result<bool> {
        let mut chunk = [0; 65536];
        let count = stream.read(&mut chunk).await?;
        buffer.extend_from_slice(&chunk[..count]);
        Ok(count > 0)
    };
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if !more(buffer).await? {
            return Ok(None);
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let target = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or_default();
    while buffer.len() < head + 4 + length {
        if !more(buffer).await? {
            return Ok(None);
        }
    }
    let body = String::from_utf8_lossy(&buffer[head + 4..head + 4 + length]).into_owned();
    buffer.drain(..head + 4 + length);
    Ok(Some(Request { target, headers, body }))
}

/// A configuration with one receiver `team`, whose integrations are these lines.
pub(crate) fn configured(integrations: &str) -> Config {
    let text = format!("route: {{ receiver: team }}\nreceivers:\n- name: team\n{integrations}\n");
    let parsed = Config::parse(&text, "alertmanager.yml", Path::new("/"));
    parsed.unwrap_or_else(|mistakes| panic!("{}\n{text}", mistakes[0]))
}

pub(crate) fn channel(config: &Config) -> Channel {
    Channel::Receiver(Arc::clone(&config.receiver("team").unwrap().integrations[0]))
}

/// A console that delivers, with short pauses.
pub(crate) struct Console {
    pub(crate) notifier: Notifier,
    reports: mpsc::UnboundedReceiver<Report>,
    known: HashMap<Uuid, Report>,
    pub(crate) rings: Arc<Mutex<Vec<Ring>>>,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            first_pause: Duration::from_millis(20),
            try_timeout: Duration::from_secs(10),
            ..Settings::default()
        };
        change(&mut settings);
        let clock = ManualClock::default();
        clock.set(Timestamp::from_millis(NOW));
        let rings: Arc<Mutex<Vec<Ring>>> = Arc::default();
        let heard = Arc::clone(&rings);
        let bell: quarterdeck_notify::Bell = Arc::new(move |ring| {
            heard.lock().unwrap().push(ring);
            true
        });
        let (notifier, reports) = Notifier::new(settings, Arc::new(clock), Some(bell));
        Self { notifier, reports, known: HashMap::new(), rings }
    }

    /// The report of an attempt.
    pub(crate) async fn report(&mut self, id: Uuid) -> Report {
        loop {
            if let Some(report) = self.known.get(&id) {
                return report.clone();
            }
            let next = tokio::time::timeout(Duration::from_secs(60), self.reports.recv()).await;
            let report = next.expect("no report within a minute").expect("the notifier is gone");
            self.known.insert(report.id, report);
        }
    }

    /// Delivers one attempt.
    pub(crate) async fn deliver(&mut self, attempt: Attempt) -> Report {
        let id = attempt.id;
        self.notifier.send(attempt).unwrap();
        self.report(id).await
    }
}

pub(crate) fn alert(name: &str, instance: &str, firing: bool) -> NotifiedAlert {
    NotifiedAlert {
        labels: Labels::from_pairs([("alertname", name), ("severity", "critical"), ("instance", instance)]),
        annotations: Labels::from_pairs([("summary", "<gone> & lost")]),
        starts_at: Timestamp::from_millis(NOW - 3_600_000),
        ends_at: (!firing).then_some(Timestamp::from_millis(NOW - 60_000)),
        generator_url: "http://prom/graph?g0.expr=up".into(),
        fingerprint: 0xabcd,
    }
}

pub(crate) fn notification(alerts: Vec<NotifiedAlert>) -> Notification {
    Notification {
        receiver: "team".into(),
        group_key: "{}:{alertname=\"Down\"}".into(),
        group_labels: Labels::from_pairs([("alertname", "Down")]),
        alerts,
        external_url: "http://deck:9093".into(),
    }
}

/// An attempt with ten seconds' time.
pub(crate) fn attempt(channel: Channel, notification: Notification) -> Attempt {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Attempt {
        id: Uuid::from_u64_pair(7, number),
        destination: format!("team/{number}").into(),
        channel,
        action: Action::Notify,
        notification: Arc::new(notification),
        templates: Arc::new(Templates::default()),
        deadline: Instant::now() + Duration::from_secs(10),
        possibly_duplicate: false,
        receipt: None,
    }
}

/// One firing alert.
pub(crate) fn firing(channel: Channel) -> Attempt {
    attempt(channel, notification(vec![alert("Down", "a:1", true)]))
}

pub(crate) fn delivered(report: &Report) -> u32 {
    assert!(matches!(report.outcome, Outcome::Delivered { .. }), "{report:?}");
    report.tries
}

/// Why it failed, and whether for good.
pub(crate) fn failed(report: &Report) -> (String, bool) {
    match &report.outcome {
        Outcome::Failed { reason, permanent } => (reason.to_string(), *permanent),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/deliveries/tls").join(name)
}
