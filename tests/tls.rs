//! Everything encrypted, over real sockets: the listener with right and wrong clients, and targets that want a certificate, are
//! from an authority of one's own, or are behind a proxy. The certificates in `tests/tls` are for tests alone: their
//! authority's key is not kept.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use support::{Home, PATIENCE, eventually};

/// One of the files for these tests.
fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn chain(name: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(pem(name)).expect("a file").map(|c| c.expect("a certificate")).collect()
}

fn authority() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain("ca.pem"));
    assert_eq!(roots.len(), 1);
    roots
}

fn client(roots: RootCertStore, protocols: &[&str]) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    config
}

/// A connection that a handshake has been done on.
fn connect(address: &str, config: ClientConfig) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// One request of HTTP/1.1: the whole answer.
fn ask(address: &str, request: &str) -> std::io::Result<String> {
    let mut stream = connect(address, client(authority(), &["http/1.1"]))?;
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// A console whose listener is encrypted.
struct Encrypted {
    child: Child,
    address: String,
    token: String,
}

impl Encrypted {
    fn start(home: &Home) -> Self {
        let (cert, key) = (pem("server.pem"), pem("server.key"));
        let config =
            format!("[metrics.host]\ninterval = \"1s\"\n[listen.tls]\ncert = {cert:?}\nkey = {key:?}\n");
        let config = home.file("quarterdeck.toml", &config).display().to_string();
        let child = home
            .command(&["serve", "--config", &config, "--listen", "127.0.0.1:0"])
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let (url, token) = eventually("the console can be found", || home.beacon(child.id()));
        let address = url.strip_prefix("https://").unwrap_or_else(|| panic!("{url} is encrypted")).to_owned();
        let this = Self { child, address, token };
        eventually("it is ready", || this.lives().then_some(()));
        this
    }

    fn lives(&self) -> bool {
        get(&self.address, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    /// What is answered to bytes that are not encrypted; empty if the connection is just closed.
    fn plain(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(bytes).expect("it is sent");
        let mut answer = Vec::new();
        // A connection that is closed with bytes unread is reset; what matters is that it ends.
        let ended = stream.read_to_end(&mut answer);
        if let Err(error) = &ended {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the connection does not end");
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_listener_serves_who_trusts_it_and_ends_the_others() {
    let home = Home::new();
    let console = Encrypted::start(&home);
    let address = console.address.as_str();

    // Someone who connects and says nothing is let go; looked at last, because that takes ten seconds.
    let silent = TcpStream::connect(address).expect("a connection");

    let metrics = get(address, "/metrics").expect("an answer");
    assert!(metrics.contains("\nquarterdeck_"), "{metrics}");
    let call = r#"{"action":"timeline.note","args":{"text":"over TLS"}}"#;
    let post = |authorization: &str| {
        let request = format!(
            "POST /api/quarterdeck/v1/act HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{authorization}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{call}",
            call.len()
        );
        ask(address, &request).expect("an answer")
    };
    assert!(post("").starts_with("HTTP/1.1 401 "), "{}", post(""));
    let done = post(&format!("Authorization: Bearer {}\r\n", console.token));
    assert!(done.starts_with("HTTP/1.1 200 "), "{done}");

    let newer = connect(address, client(authority(), &["h2", "http/1.1"])).expect("a handshake");
    assert_eq!(newer.conn.alpn_protocol(), Some(&b"h2"[..]));
    drop(newer);

    let stranger = connect(address, client(RootCertStore::empty(), &[]));
    let error = stranger.expect_err("nobody is trusted").to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");

    let told = console.plain(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
    assert!(told.starts_with("HTTP/1.1 400 ") && told.ends_with("write https:// for http://\n"), "{told}");
    let long = format!("POST /api/v1/write HTTP/1.1\r\nHost: {address}\r\n\r\n{}", "x".repeat(60_000));
    let told = console.plain(long.as_bytes());
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
    for garbage in [&b"\x16\x03\x01\xff\xff garbage that is no hello"[..], b"\0\0\0\0", b"\x80\x2e\x01\0\x02"]
    {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(garbage).expect("it is sent");
        drop(stream);
    }
    assert!(!console.plain(&[0x15; 600]).starts_with("HTTP"));
    assert!(console.lives(), "and it serves those who speak its language");

    // Commands of this user trust the console's own certificate, whatever its name and authority.
    let (code, out, error) = home.run(&["timeline", "list"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("over TLS"), "{out}");
    let (code, _, error) = home.run(&["act", "timeline.note", "text=by a command"]);
    assert_eq!(code, 0, "{error}");
    // Named by hand from another home, nothing vouches for it.
    let elsewhere = Home::new();
    let (code, _, error) = elsewhere.run(&["timeline", "list", "--server", &format!("https://{address}")]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains("no console answers at https://"), "{error}");
    let mut command = elsewhere.command(&["timeline", "list", "--server", &format!("https://{address}")]);
    let vouched = command.env("SSL_CERT_FILE", pem("ca.pem")).output().expect("the program runs");
    let error = String::from_utf8_lossy(&vouched.stderr).into_owned();
    assert!(String::from_utf8_lossy(&vouched.stdout).contains("over TLS"), "{error}");

    silent.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut silent = silent;
    assert_eq!(silent.read(&mut [0; 16]).expect("an end, not a wait"), 0);
}

#[test]
fn certificates_that_cannot_be_used_are_told_at_the_start() {
    let home = Home::new();
    for (cert, key, told) in [
        ("server.key", "server.key", "there is no certificate in it"),
        ("none.pem", "server.key", "none.pem"),
        ("server.pem", "client.key", "server.pem"),
        ("server.pem", "ca.pem", "ca.pem"),
    ] {
        let config = format!("[listen.tls]\ncert = {:?}\nkey = {:?}\n", pem(cert), pem(key));
        let config = home.file("quarterdeck.toml", &config).display().to_string();
        let (code, _, error) = home.run(&["serve", "--config", &config, "--listen", "127.0.0.1:0"]);
        assert_eq!(code, 1, "{cert} {key}: {error}");
        assert!(error.contains("[listen.tls] ") && error.contains(told), "{cert} {key}: {error}");
    }
}

const PAGE: &str = "# TYPE lamps gauge\nlamps 4\n";

/// Answers one HTTP request.
fn answer(stream: &mut (impl Read + Write)) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}",
        PAGE.len()
    )?;
    stream.flush()?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A listener on loopback that serves each connection in a thread of its own: its address.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// An exporter over TLS; with `strict` only for clients with a certificate of the authority, whose names it notes.
fn exporter(strict: bool, seen: &Arc<Mutex<Vec<Vec<u8>>>>) -> String {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if strict {
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::new(authority()),
            Arc::new(ring::default_provider()),
        );
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(pem("server.key")).expect("a key");
    let config = Arc::new(builder.with_single_cert(chain("server.pem"), key).expect("a certificate"));
    let seen = Arc::clone(seen);
    listen(move |socket| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
        let mut stream = StreamOwned::new(connection, socket);
        if answer(&mut stream).is_ok() {
            let peer = stream.conn.peer_certificates().and_then(|c| c.first()).map(|c| c.to_vec());
            seen.lock().expect("a lock").push(peer.unwrap_or_default());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    })
}

/// A proxy that notes the first line of each request: of `CONNECT` it makes a tunnel, of anything else it answers itself.
fn proxy(lines: &Arc<Mutex<Vec<String>>>) -> String {
    let lines = Arc::clone(lines);
    listen(move |mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let line = head.lines().next().unwrap_or_default().to_owned();
        lines.lock().expect("a lock").push(line.clone());
        let Some(target) = line.strip_prefix("CONNECT ").and_then(|l| l.split(' ').next()) else {
            let _ = answer(&mut Replayed(&mut stream));
            return;
        };
        let Ok(mut there) = TcpStream::connect(target) else { return };
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
        let (mut from, mut to) = (stream.try_clone().expect("a clone"), there.try_clone().expect("a clone"));
        let up = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut there, &mut stream);
        let _ = stream.shutdown(std::net::Shutdown::Both);
        up.join().expect("a thread that ends well");
    })
}

/// A connection whose request has been read already.
struct Replayed<'a>(&'a mut TcpStream);

impl Read for Replayed<'_> {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }
}

impl Write for Replayed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn targets_are_scraped_with_certificates_and_through_proxies() {
    let (seen, unused, lines) = (Arc::default(), Arc::default(), Arc::default());
    let (strict, open, proxy) = (exporter(true, &seen), exporter(false, &unused), proxy(&lines));
    let [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|name| pem(name).display().to_string());
    let yml = format!(
        "
global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: with-certificate
    scheme: https
    tls_config: {{ ca_file: {ca}, cert_file: {cert}, key_file: {key} }}
    static_configs: [{{ targets: ['{strict}'] }}]
  - job_name: without-certificate
    scheme: https
    tls_config: {{ ca_file: {ca} }}
    static_configs: [{{ targets: ['{strict}'] }}]
  - job_name: unknown-authority
    scheme: https
    static_configs: [{{ targets: ['{open}'] }}]
  - job_name: other-name
    scheme: https
    tls_config: {{ ca_file: {ca}, server_name: elsewhere.example.com }}
    static_configs: [{{ targets: ['{open}'] }}]
  - job_name: any-authority
    scheme: https
    tls_config: {{ insecure_skip_verify: true }}
    static_configs: [{{ targets: ['{open}'] }}]
  - job_name: through-proxy
    proxy_url: http://{proxy}
    static_configs: [{{ targets: ['lamps.example.invalid:9100'] }}]
  - job_name: tunnelled
    scheme: https
    proxy_url: http://{proxy}
    tls_config: {{ ca_file: {ca} }}
    static_configs: [{{ targets: ['{open}'] }}]
"
    );
    let home = Home::new();
    let file = home.file("prometheus.yml", &yml).display().to_string();
    let config = home.file("quarterdeck.toml", "[metrics.host]\nenabled = false\n").display().to_string();
    let server =
        home.serve(&["serve", "--config", &config, "--listen", "127.0.0.1:0", "--prometheus-config", &file]);

    let jobs = |promql: &str| {
        let mut jobs: Vec<String> = server
            .query(promql)
            .iter()
            .map(|(m, _)| m["job"].as_str().unwrap_or_default().to_owned())
            .collect();
        jobs.sort();
        jobs
    };
    // The console's own metrics are a job too.
    let up = |value: u8| jobs(&format!("up{{job!=\"quarterdeck\"}} == {value}"));
    eventually("every job has been scraped", || (up(0).len() + up(1).len() == 7).then_some(()));
    let good = ["any-authority", "through-proxy", "tunnelled", "with-certificate"];
    let bad = ["other-name", "unknown-authority", "without-certificate"];
    eventually("the good ones are up", || (up(1) == good).then_some(()));
    assert_eq!(up(0), bad);
    assert_eq!(jobs("lamps == 4"), good);

    let client = chain("client.pem")[0].to_vec();
    let seen = seen.lock().expect("a lock");
    assert!(
        !seen.is_empty() && seen.iter().all(|peer| *peer == client),
        "the certificate is the configured one"
    );
    let lines = lines.lock().expect("a lock");
    let began = |with: &str| lines.iter().any(|line| line.starts_with(with));
    assert!(began("GET http://lamps.example.invalid:9100/metrics HTTP/1.1"), "{lines:?}");
    assert!(began(&format!("CONNECT {open} HTTP/1.1")), "{lines:?}");

    // Each failure is told in words that say what to do about it.
    let targets = server.json("/api/v1/targets");
    let error = |job: &str| {
        let all = targets["data"]["activeTargets"].as_array().expect("targets");
        let one =
            all.iter().find(|t| t["labels"]["job"] == job).unwrap_or_else(|| panic!("{job}: {targets}"));
        one["lastError"].as_str().unwrap_or_default().to_owned()
    };
    assert!(
        error("without-certificate").to_lowercase().contains("certificate"),
        "{}",
        error("without-certificate")
    );
    assert!(error("unknown-authority").contains("UnknownIssuer"), "{}", error("unknown-authority"));
    assert!(error("other-name").contains("elsewhere.example.com"), "{}", error("other-name"));
    assert_eq!(error("with-certificate"), "");
}
