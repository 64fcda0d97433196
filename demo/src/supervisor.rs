use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::{ChildSpec, DemoError};

/// How long a child may take until it is ready, and how long to end.
const START_LIMIT: Duration = Duration::from_secs(15);
const END_LIMIT: Duration = Duration::from_secs(2);

/// Starts children and ends them: the least that runs the platform where no other keeper does.
///
/// However it goes, children do not outlive it: they hold the reading end of a pipe from it.
#[derive(Debug, Default)]
pub struct Supervisor {
    children: Vec<(ChildSpec, Child)>,
}

impl Supervisor {
    /// Nothing runs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a child of `program` and waits until it is ready. Its logs go where `logs` says.
    ///
    /// # Errors
    /// When it cannot be started, or ends or stays silent instead of becoming ready.
    pub async fn start(&mut self, program: &Path, spec: &ChildSpec, logs: Stdio) -> Result<(), DemoError> {
        let mut child = Command::new(program)
            .args(&spec.args)
            .envs(spec.env.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(logs)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| DemoError::Spawn { name: spec.name.clone(), source })?;
        let ready = wait_ready(&mut child, spec).await;
        self.children.push((spec.clone(), child));
        ready
    }

    /// Process ids of the children that run, by name.
    pub fn pids(&self) -> Vec<(String, u32)> {
        self.children.iter().filter_map(|(spec, child)| Some((spec.name.clone(), child.id()?))).collect()
    }

    /// Waits until any child ends, and says which. Waits for ever when none runs.
    pub async fn first_to_end(&mut self) -> String {
        loop {
            for (spec, child) in &mut self.children {
                if !matches!(child.try_wait(), Ok(None)) {
                    return spec.name.clone();
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends all children, the last first, by closing their pipes; kills those that do not end in time. Answers the
    /// names of those.
    pub async fn stop(&mut self) -> Vec<String> {
        for (_, child) in &mut self.children {
            drop(child.stdin.take());
        }
        let deadline = Instant::now() + END_LIMIT;
        let mut killed = Vec::new();
        while let Some((spec, mut child)) = self.children.pop() {
            let left = deadline.saturating_duration_since(Instant::now());
            if timeout(left, child.wait()).await.is_err() {
                // A child that cannot be killed has ended in the meantime.
                let _ = child.kill().await;
                killed.push(spec.name);
            }
        }
        killed
    }
}

async fn wait_ready(child: &mut Child, spec: &ChildSpec) -> Result<(), DemoError> {
    let not_ready = |reason: String| DemoError::NotReady { name: spec.name.clone(), reason };
    let deadline = Instant::now() + START_LIMIT;
    let mut last = String::from("no answer yet");
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return Err(not_ready(format!("it ended ({status})"))),
            Err(error) => return Err(not_ready(error.to_string())),
        }
        match timeout(Duration::from_secs(1), probe(&spec.readiness_url)).await {
            Ok(Ok(200)) => return Ok(()),
            Ok(Ok(status)) => last = format!("it answers {status}"),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "it does not answer".into(),
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(not_ready(last))
}

/// The status that an `http://ADDRESS/PATH` answers.
async fn probe(url: &str) -> std::io::Result<u16> {
    let invalid =
        || std::io::Error::new(std::io::ErrorKind::InvalidInput, format!("no loopback address: {url}"));
    let (host, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or_else(invalid)?;
    let address: SocketAddr = host.parse().map_err(|_| invalid())?;
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    let status = std::str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "no HTTP status"))
}
