//! Mail, to servers that take it, ask for credentials, begin TLS, or drop it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::*;

fn acceptor() -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(tls_file("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(tls_file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers every request over TLS with 200.
pub(crate) async fn tls_http_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = acceptor();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|n| n > 2) {
                    line.clear();
                }
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

/// How a server behaves.
#[derive(Clone, Copy, Debug, Default)]
struct Manners {
    /// `AUTH …`, after TLS where there is TLS.
    auth: &'static str,
    starttls: bool,
    implicit: bool,
    /// Closes the first so many connections in the middle of the mail.
    drops: usize,
    /// Greets, and then says nothing for ever.
    hangs: bool,
    /// An answer without end.
    endless: bool,
}

#[derive(Debug, Default)]
struct Seen {
    commands: Vec<String>,
    mails: Vec<String>,
    connections: usize,
}

struct Server {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), seen: Arc::default() };
        let seen = Arc::clone(&server.seen);
        let acceptor = acceptor();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, acceptor) = (Arc::clone(&seen), acceptor.clone());
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.connections += 1;
                    seen.connections
                };
                tokio::spawn(async move {
                    let drop = number <= manners.drops;
                    if manners.implicit {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        let _ = talk(&mut BufReader::new(stream), manners, true, drop, &seen).await;
                        return;
                    }
                    let mut stream = BufReader::new(stream);
                    if let Ok(true) = talk(&mut stream, manners, false, drop, &seen).await {
                        let Ok(stream) = acceptor.accept(stream.into_inner()).await else { return };
                        let _ = talk_on(&mut BufReader::new(stream), manners, true, drop, &seen).await;
                    }
                });
            }
        });
        server
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    manners: Manners,
    encrypted: bool,
    drop: bool,
    seen: &Mutex<Seen>,
) -> std::io::Result<bool> {
    stream.write_all(b"220 mail.test\r\n").await?;
    if manners.hangs {
        std::future::pending::<()>().await;
    }
    talk_on(stream, manners, encrypted, drop, seen).await
}

/// Whether TLS is to begin now.
async fn talk_on<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    manners: Manners,
    encrypted: bool,
    drop: bool,
    seen: &Mutex<Seen>,
) -> std::io::Result<bool> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let line = line.trim_end().to_owned();
        seen.lock().unwrap().commands.push(line.clone());
        let verb = line.split(' ').next().unwrap_or_default().to_owned();
        let answer = match verb.as_str() {
            "EHLO" if manners.endless => {
                while stream.write_all(&[b'2'; 4096]).await.is_ok() {}
                return Ok(false);
            }
            "EHLO" => {
                let mut answer = "250-mail.test\r\n".to_owned();
                if manners.starttls && !encrypted {
                    answer.push_str("250-STARTTLS\r\n");
                }
                if !manners.auth.is_empty() && (encrypted || !manners.starttls) {
                    answer.push_str(&format!("250-AUTH {}\r\n", manners.auth));
                }
                answer + "250 8BITMIME\r\n"
            }
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(true);
            }
            "AUTH" if line == "AUTH LOGIN" => format!("334 {}\r\n", STANDARD.encode("Username:")),
            "AUTH" if line == "AUTH CRAM-MD5" => format!("334 {}\r\n", STANDARD.encode("<1@test>")),
            "AUTH" => "235 in\r\n".to_owned(),
            word if word == STANDARD.encode("me") => format!("334 {}\r\n", STANDARD.encode("Password:")),
            word if word == STANDARD.encode("pass") => "235 in\r\n".to_owned(),
            "MAIL" | "RCPT" => "250 fine\r\n".to_owned(),
            "DATA" => {
                stream.write_all(b"354 speak\r\n").await?;
                let mut mail = String::new();
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await? == 0 {
                        return Ok(false);
                    }
                    if drop && mail.len() > 50 {
                        return Ok(false);
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                seen.lock().unwrap().mails.push(mail);
                "250 taken\r\n".to_owned()
            }
            "QUIT" => return Ok(false),
            _ if line.len() > 20 && manners.auth.contains("CRAM") => "235 in\r\n".to_owned(),
            _ => "500 what\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
}

fn email(server: &Server, more: &str) -> quarterdeck_notify::Channel {
    let config = configured(&format!(
        "  email_configs:\n  - to: 'Ops <ops@example.com>, b@example.com'\n    from: deck@example.org\n    smarthost: 'localhost:{}'\n    hello: deck.example.org\n    {}",
        server.port,
        more.replace('\n', "\n    ")
    ));
    channel(&config)
}

/// The mail's body parts, decoded.
fn decoded(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=3D", "=")
}

#[tokio::test]
async fn a_mail_has_headers_text_and_html() {
    let server = Server::start(Manners::default()).await;
    let mut console = Console::new();
    let more = "require_tls: false\ntext: |\n  {{ template \"__subject\" . }}\n  .point\nheaders: { Subject: 'Größe {{ .Status }}', X-Team: 'a{{ \"\\r\\n\" }}Bcc: evil@example.com' }";
    let sent = firing(email(&server, more));
    let id = sent.id;
    assert_eq!(delivered(&console.deliver(sent).await), 1);
    let seen = server.seen();
    assert_eq!(
        seen.commands[..5],
        [
            "EHLO deck.example.org",
            "MAIL FROM:<deck@example.org> BODY=8BITMIME",
            "RCPT TO:<ops@example.com>",
            "RCPT TO:<b@example.com>",
            "DATA"
        ]
    );
    let mail = decoded(&seen.mails[0]);
    for line in [
        "From: deck@example.org\r\n",
        "Subject: =?utf-8?b?",
        "Date: Mon, 06 May 2024 09:00:00 +0000\r\n",
        "MIME-Version: 1.0\r\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
        "[FIRING:1] Down (a:1 critical)\r\n.point\r\n",
        "&lt;gone&gt; &amp; lost",
    ] {
        assert!(mail.contains(line), "{line} in\n{mail}");
    }
    assert!(mail.contains(&format!("Message-Id: <{}@example.org>", id.simple())), "{mail}");
    // A line break in a value does not begin another header.
    assert!(mail.contains("X-Team: a  Bcc: evil@example.com\r\n"), "{mail}");
    assert!(mail.find("text/plain") < mail.find("text/html"));
}

#[tokio::test]
async fn credentials_go_by_each_mechanism() {
    let mut console = Console::new();
    for (auth, more, expected) in [
        ("LOGIN", "auth_password: pass", STANDARD.encode("pass")),
        ("XOAUTH2 PLAIN", "auth_password: pass", format!("AUTH PLAIN {}", STANDARD.encode("\0me\0pass"))),
        ("CRAM-MD5", "auth_secret: s", "AUTH CRAM-MD5".to_owned()),
    ] {
        let server = Server::start(Manners { auth, ..Manners::default() }).await;
        let more = format!("require_tls: false\nauth_username: me\n{more}");
        delivered(&console.deliver(firing(email(&server, &more))).await);
        let seen = server.seen();
        assert!(seen.commands.contains(&expected), "{auth}: {:?}", seen.commands);
        assert_eq!(seen.mails.len(), 1);
    }
}

#[tokio::test]
async fn tls_begins_with_starttls_or_at_once() {
    let mut console = Console::new();
    let trusted = format!("tls_config: {{ ca_file: '{}' }}", tls_file("ca.pem").display());
    let server = Server::start(Manners { starttls: true, auth: "PLAIN", ..Manners::default() }).await;
    let with_user = format!("auth_username: me\nauth_password: pass\n{trusted}");
    delivered(&console.deliver(firing(email(&server, &with_user))).await);
    {
        let seen = server.seen();
        assert_eq!(seen.commands.iter().filter(|c| c.starts_with("EHLO")).count(), 2, "{:?}", seen.commands);
        assert!(seen.commands.iter().any(|c| c.starts_with("AUTH PLAIN")), "{:?}", seen.commands);
    }
    let server = Server::start(Manners { implicit: true, ..Manners::default() }).await;
    let implicit = format!("force_implicit_tls: true\n{trusted}");
    delivered(&console.deliver(firing(email(&server, &implicit))).await);

    // Not trusted, or not offered where it is required: nothing is sent in the clear.
    let untrusted = Server::start(Manners { starttls: true, ..Manners::default() }).await;
    let without = Server::start(Manners::default()).await;
    for (server, told) in [(&untrusted, "TLS with the server fails"), (&without, "does not offer STARTTLS")] {
        let mut short = firing(email(server, "require_tls: true"));
        short.deadline = tokio::time::Instant::now() + Duration::from_millis(300);
        let (reason, permanent) = failed(&console.deliver(short).await);
        assert!(reason.contains(told) && !permanent, "{reason}");
        assert!(!server.seen().commands.iter().any(|c| c.starts_with("MAIL")));
    }
}

#[tokio::test]
async fn a_mail_that_is_dropped_half_way_is_sent_again_as_the_same() {
    let server = Server::start(Manners { drops: 3, ..Manners::default() }).await;
    let mut console = Console::new();
    let mut sent = firing(email(&server, "require_tls: false"));
    sent.possibly_duplicate = true;
    let id = sent.id;
    assert_eq!(delivered(&console.deliver(sent).await), 4);
    let seen = server.seen();
    assert_eq!((seen.mails.len(), seen.connections), (1, 4));
    assert!(seen.mails[0].contains(&format!("<{}@example.org>", id.simple())));
    assert!(seen.mails[0].contains("X-Quarterdeck-Possibly-Duplicate: true"));
}

#[tokio::test]
async fn servers_that_hang_or_babble_end_by_the_deadline() {
    let mut console = Console::with(|settings| settings.try_timeout = Duration::from_millis(300));
    for (manners, told) in [
        (Manners { hangs: true, ..Manners::default() }, "did not answer in time"),
        (Manners { endless: true, ..Manners::default() }, "cut off or endless"),
    ] {
        let server = Server::start(manners).await;
        let mut short = firing(email(&server, "require_tls: false"));
        short.deadline = tokio::time::Instant::now() + Duration::from_millis(700);
        let (reason, permanent) = failed(&console.deliver(short).await);
        assert!(reason.contains(told) && !permanent, "{reason}");
    }
    // An address that is none will never be one.
    let server = Server::start(Manners::default()).await;
    let config = configured(&format!(
        "  email_configs: [{{ to: '{{{{ .Status }}}}', from: a@b.c, smarthost: 'localhost:{}', require_tls: false }}]",
        server.port
    ));
    let (reason, permanent) = failed(&console.deliver(firing(channel(&config))).await);
    assert!(permanent && reason.contains("to is not a list of addresses"), "{reason}");
}
