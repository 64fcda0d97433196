//! What both integration tests need: the plainest HTTP client, and a reader of metrics pages.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long anything that should happen may take on a slow and busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Status and body of a request on a connection of its own.
pub(crate) fn request(address: SocketAddr, head: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}

/// Asks again and again until `done` says so; panics with `what` after [`PATIENCE`].
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The samples of a metrics page by series, after checking that the page is well-formed OpenMetrics.
pub(crate) fn samples(address: SocketAddr) -> BTreeMap<String, f64> {
    let (status, page) = request(address, "GET /metrics", "").unwrap();
    assert_eq!(status, 200);
    // The answer may come in chunks, whose sizes are lines of hexadecimal digits.
    let lines: Vec<&str> = page.split("\r\n").flat_map(|chunk| chunk.lines()).collect();
    assert!(lines.contains(&"# EOF"), "{page}");
    let mut found = BTreeMap::new();
    for line in lines.iter().filter(|line| !line.starts_with('#') && line.contains(' ')) {
        let sample = line.split(" # ").next().unwrap();
        let (series, value) = sample.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
        assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
        let value: f64 = value.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(found.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }
    found
}

/// The sum of all series of a name whose labels hold `part`.
pub(crate) fn sum(samples: &BTreeMap<String, f64>, name: &str, part: &str) -> f64 {
    let of_name = |series: &str| series.split('{').next() == Some(name) && series.contains(part);
    samples.iter().filter(|(series, _)| of_name(series)).map(|(_, value)| value).sum()
}
