//! Opening connections, and what their errors mean.

use std::sync::Arc;

use base64::Engine as _;
use quarterdeck_kernel::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError, UrlError};
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Url;

use crate::config::FeedConfig;
use crate::wire::Wire;

/// A connection that stands.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<Wire>>;

/// Bytes read at once. The protocol layer fills the buffer with zeros before each read: a large one costs more than the
/// reads it saves.
const READ_BUFFER: usize = 8 << 10;

/// Opens a feed's connection.
///
/// # Errors
/// Why it could not, in words for the operator; never a secret.
pub(crate) async fn connect(config: Arc<FeedConfig>) -> Result<Socket, String> {
    let request = request(&config)?;
    let connector = connector(&config)?;
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(config.max_message_bytes))
        .max_frame_size(Some(config.max_message_bytes));
    let failed = |e: Error| format!("cannot connect: {}", explain(&e));
    let stream = dial(&request).await.map_err(failed)?;
    let opened = client_async_tls_with_config(request, Wire::new(stream), Some(limits), connector).await;
    opened.map(|(socket, _)| socket).map_err(failed)
}

/// Opens the TCP connection that a request is for.
async fn dial(request: &Request) -> Result<TcpStream, Error> {
    let uri = request.uri();
    let host = uri.host().ok_or(Error::Url(UrlError::NoHostName))?;
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
    // A literal IPv6 address keeps its brackets here, as the resolver wants it.
    let stream = TcpStream::connect(format!("{host}:{port}")).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The TCP connection under a socket.
pub(crate) fn wire(socket: &mut Socket) -> Option<&mut Wire> {
    match socket.get_mut() {
        MaybeTlsStream::Plain(wire) => Some(wire),
        MaybeTlsStream::Rustls(tls) => Some(tls.get_mut().0),
        // There is no other kind as this program is built.
        _ => None,
    }
}

fn request(config: &FeedConfig) -> Result<Request, String> {
    let mut url = Url::parse(&config.url).map_err(|e| format!("the address is not a URL: {e}"))?;
    let user = percent_decoded(url.username());
    let password = percent_decoded(url.password().unwrap_or_default());
    // Both fail only for addresses that cannot have a user, which then have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let mut request = url.as_str().into_client_request().map_err(|e| explain(&e))?;
    let headers = request.headers_mut();
    if !user.is_empty() || !password.is_empty() {
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        headers.insert(header::AUTHORIZATION, secret_header(&Secret::new(format!("Basic {token}")))?);
    }
    for (name, value) in &config.headers {
        let parsed: HeaderName = name.parse().map_err(|_| format!("{name:?} is not a header name"))?;
        let secret = value.resolve().map_err(|e| format!("header {name}: {e}"))?;
        headers.insert(parsed, secret_header(&secret).map_err(|e| format!("header {name}: {e}"))?);
    }
    Ok(request)
}

fn percent_decoded(text: &str) -> String {
    // The form decoder also reads `+` as a space, which in a user or password stands for itself.
    let escaped = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("v={escaped}").as_bytes())
        .next()
        .map(|(_, v)| v.into_owned())
        .unwrap_or_default()
}

fn secret_header(secret: &Secret) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(secret.expose())
        .map_err(|_| "its value holds characters that headers must not have".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A TLS set-up that trusts the feed's own authority, if it has one.
fn connector(config: &FeedConfig) -> Result<Option<Connector>, String> {
    // The process may have chosen a provider already; then that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(file) = &config.ca_file else { return Ok(None) };
    let place = file.display();
    let pem = std::fs::read(file).map_err(|e| format!("ca_file {place} cannot be read: {e}"))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| format!("ca_file {place} is not PEM: {e}"))?;
        roots.add(certificate).map_err(|e| format!("ca_file {place}: {e}"))?;
    }
    if roots.is_empty() {
        return Err(format!("ca_file {place} holds no certificate"));
    }
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Some(Connector::Rustls(Arc::new(tls))))
}

/// Whether an error means that a message was refused, rather than that the connection broke.
pub(crate) fn refuses_message(error: &Error) -> bool {
    matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. }) | Error::Utf8(_))
}

/// An error in words for the operator.
pub(crate) fn explain(error: &Error) -> String {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            format!("a message of at least {size} bytes came, {max_size} are allowed (max_message_bytes)")
        }
        Error::Utf8(_) => "a text message is not valid UTF-8".to_owned(),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            "the server ended the connection without closing it".to_owned()
        }
        Error::Http(response) => {
            format!("the server answered {} instead of opening a WebSocket", response.status())
        }
        Error::ConnectionClosed | Error::AlreadyClosed => "the server closed the connection".to_owned(),
        Error::Io(e) if e.to_string().contains("UnknownIssuer") => {
            "the server's certificate is from an unknown authority; if you trust it, name it as ca_file"
                .to_owned()
        }
        Error::Io(e) => e.to_string(),
        other => other.to_string(),
    }
}

/// Why a server closed, in words.
pub(crate) fn closed(frame: Option<&CloseFrame>) -> String {
    match frame {
        None => "the server closed the connection".to_owned(),
        Some(frame) if frame.reason.is_empty() => {
            format!("the server closed the connection ({})", u16::from(frame.code))
        }
        Some(frame) => {
            format!("the server closed the connection ({}: {})", u16::from(frame.code), frame.reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_the_address_become_a_header() {
        let request = request(&FeedConfig::new("ws://a%40b:c+d@h:9/x?y=1")).unwrap();
        assert_eq!(request.uri(), "ws://h:9/x?y=1");
        let expected = base64::engine::general_purpose::STANDARD.encode("a@b:c+d");
        assert_eq!(request.headers()["authorization"], format!("Basic {expected}"));
    }

    #[test]
    fn bad_headers_are_named_without_their_value() {
        let mut config = FeedConfig::new("ws://h");
        let text = crate::config::HeaderValue::Text(Secret::new("s3cret\n"));
        config.headers.insert("X-Key".to_owned(), text);
        let error = request(&config).unwrap_err();
        assert_eq!(error, "header X-Key: its value holds characters that headers must not have");
        let file = crate::config::HeaderValue::File { file: "/nonexistent/key".into() };
        config.headers.insert("X-Key".to_owned(), file);
        assert!(request(&config).unwrap_err().starts_with("header X-Key: /nonexistent/key cannot be read"));
    }
}
