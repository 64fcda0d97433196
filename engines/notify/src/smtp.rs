//! SMTP: one mail, one connection. What the server says is bounded, and what fails may be tried again, as in
//! Alertmanager: servers refuse for many passing reasons.

mod auth;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use quarterdeck_alertmanager::config::Email;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::failure::{Failure, chain, short};
use crate::guard::{Guard, ResolveError};
use crate::render::Mail;
use crate::tls;

/// The longest line of an answer, in bytes; RFC 5321 has 512.
const MAX_LINE: u64 = 4096;

/// How many lines one answer may have.
const MAX_LINES: usize = 200;

/// What a server says to one command.
#[derive(Clone, Debug)]
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    fn text(&self) -> String {
        short(&format!("{} {}", self.code, self.lines.join(" ")))
    }
}

/// A connection on which commands are sent.
struct Session<S> {
    stream: BufReader<S>,
    /// What the server said that it can, in capital letters.
    abilities: Vec<String>,
}

/// Sends a mail.
pub(crate) async fn send(mail: &Mail, guard: &Guard) -> Result<(), Failure> {
    let settings = &mail.settings;
    let port = port(&settings.port)?;
    let implicit = settings.force_implicit_tls.unwrap_or(port == 465);
    let stream = connect(settings, port, guard).await?;
    if implicit {
        let stream = encrypt(settings, stream).await?;
        let mut session = Session::begin(stream, settings, true).await?;
        return session.deliver(mail, true).await;
    }
    let mut session = Session::begin(stream, settings, true).await?;
    if !settings.require_tls {
        return session.deliver(mail, false).await;
    }
    if !session.can("STARTTLS") {
        return Err(Failure::later("require_tls is set, but the server does not offer STARTTLS"));
    }
    session.expect("STARTTLS", &[220]).await?;
    // What was sent with the answer was not encrypted: it would be taken for the encrypted server's words.
    if !session.stream.buffer().is_empty() {
        return Err(Failure::never("the server speaks before TLS has begun"));
    }
    let stream = encrypt(settings, session.stream.into_inner()).await?;
    let mut session = Session::begin(stream, settings, false).await?;
    session.deliver(mail, true).await
}

fn port(text: &str) -> Result<u16, Failure> {
    match text {
        "smtp" => Ok(25),
        "smtps" | "submissions" => Ok(465),
        "submission" => Ok(587),
        number => number.parse().map_err(|_| Failure::never(format!("smarthost: {number:?} is not a port"))),
    }
}

async fn connect(settings: &Email, port: u16, guard: &Guard) -> Result<TcpStream, Failure> {
    let addresses = guard.resolve(&settings.host, port).await.map_err(|error| match error {
        ResolveError::Forbidden(forbidden) => Failure::never(forbidden.to_string()),
        unknown @ ResolveError::Unknown(_) => Failure::later(unknown.to_string()),
    })?;
    let mut last = "the host has no address".to_owned();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("cannot connect to {address}: {error}"),
        }
    }
    Err(Failure::later(last))
}

async fn encrypt(
    settings: &Email,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    let tls = settings.tls.clone();
    let config = tokio::task::spawn_blocking(move || tls::client(&tls)).await;
    let config = config.unwrap_or_else(|_| Err(Failure::later("TLS could not be prepared")))?;
    let name = ServerName::try_from(settings.host.clone())
        .map_err(|_| Failure::never(format!("smarthost: {:?} is not a host", settings.host)))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| Failure::later(format!("TLS with the server fails: {}", chain(&error))))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Reads the server's greeting, where there is one, and greets it.
    async fn begin(stream: S, settings: &Email, greeted: bool) -> Result<Self, Failure> {
        let mut session = Self { stream: BufReader::new(stream), abilities: Vec::new() };
        if greeted {
            let greeting = session.reply("the greeting").await?;
            if greeting.code != 220 {
                return Err(Failure::later(format!("the server greets with {}", greeting.text())));
            }
        }
        let name = if settings.hello.is_empty() { "localhost" } else { &settings.hello };
        let hello = session.command(&format!("EHLO {name}")).await?;
        if hello.code == 250 {
            session.abilities = hello.lines.iter().skip(1).map(|line| line.to_ascii_uppercase()).collect();
        } else {
            session.expect(&format!("HELO {name}"), &[250]).await?;
        }
        Ok(session)
    }

    /// Whether the server has an ability.
    fn can(&self, name: &str) -> bool {
        self.ability(name).is_some()
    }

    /// What follows the name of an ability; some servers write `AUTH=`.
    fn ability(&self, name: &str) -> Option<&str> {
        self.abilities.iter().find_map(|line| {
            let rest = line.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with([' ', '='])).then(|| rest.trim_start_matches([' ', '=']))
        })
    }

    async fn deliver(&mut self, mail: &Mail, encrypted: bool) -> Result<(), Failure> {
        auth::authenticate(self, &mail.settings, encrypted).await?;
        let mut from = format!("MAIL FROM:<{}>", mail.from);
        if self.can("8BITMIME") {
            from.push_str(" BODY=8BITMIME");
        }
        if self.can("SMTPUTF8") {
            from.push_str(" SMTPUTF8");
        }
        self.expect(&from, &[250]).await?;
        for address in &mail.to {
            self.expect(&format!("RCPT TO:<{address}>"), &[250, 251]).await?;
        }
        self.expect("DATA", &[354]).await?;
        self.write(&stuffed(&mail.message), "the mail").await?;
        let taken = self.reply("the mail").await?;
        if taken.code != 250 {
            return Err(Failure::later(format!("the server does not take the mail: {}", taken.text())));
        }
        // The mail is taken; how the connection ends does not matter.
        let _ = self.stream.write_all(b"QUIT\r\n").await;
        let _ = self.stream.shutdown().await;
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8], what: &str) -> Result<(), Failure> {
        let failed =
            |error: std::io::Error| Failure::later(format!("the connection broke at {what}: {error}"));
        self.stream.write_all(bytes).await.map_err(failed)?;
        self.stream.flush().await.map_err(failed)
    }

    /// Sends a command and reads the answer.
    async fn command(&mut self, line: &str) -> Result<Reply, Failure> {
        let verb = line.split(' ').next().unwrap_or_default().to_owned();
        self.tell(line, &verb).await
    }

    /// As [`Session::command`], of a line that may be secret; `what` names it.
    async fn tell(&mut self, line: &str, what: &str) -> Result<Reply, Failure> {
        if line.contains(['\r', '\n']) {
            return Err(Failure::never(format!("{what} has a line break")));
        }
        self.write(format!("{line}\r\n").as_bytes(), what).await?;
        self.reply(what).await
    }

    async fn expect(&mut self, line: &str, codes: &[u16]) -> Result<Reply, Failure> {
        let reply = self.command(line).await?;
        if codes.contains(&reply.code) {
            return Ok(reply);
        }
        let verb = line.split(' ').next().unwrap_or_default();
        Err(Failure::later(format!("the server refuses {verb}: {}", reply.text())))
    }

    async fn reply(&mut self, what: &str) -> Result<Reply, Failure> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut line).await;
            let count = read.map_err(|e| Failure::later(format!("the connection broke at {what}: {e}")))?;
            if count == 0 {
                return Err(Failure::later(format!("the server closed the connection at {what}")));
            }
            if !line.ends_with(b"\n") {
                return Err(Failure::later(format!("the server's answer to {what} is cut off or endless")));
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let code = text.get(..3).and_then(|digits| digits.parse::<u16>().ok());
            let (Some(code), rest) = (code, text.get(3..).unwrap_or_default()) else {
                return Err(Failure::later(format!(
                    "the server's answer to {what} is not SMTP: {}",
                    short(&text)
                )));
            };
            lines.push(rest.get(1..).unwrap_or_default().to_owned());
            if !rest.starts_with('-') {
                return Ok(Reply { code, lines });
            }
            if lines.len() >= MAX_LINES {
                return Err(Failure::later(format!("the server's answer to {what} does not end")));
            }
        }
    }
}

/// The mail as it is sent: lines end with CR LF, one that begins with a point gets another, a lone point ends it.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    let text = message.strip_suffix(b"\n").unwrap_or(message);
    for line in text.split(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
