use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::feed::{Feed, Subscription};
use super::symbols::{self, SYMBOLS};
use crate::shell::server::problem;

/// No message of a client is larger.
const MESSAGE_LIMIT: usize = 16 * 1024;
/// A client that takes nothing for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(15);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers a WebSocket handshake and serves the feed on the connection that comes of it.
pub(crate) fn accept(feed: &Feed, stop: CancellationToken, mut request: Request) -> Response {
    let headers = request.headers();
    let says = |name, wanted: &str| has_token(headers, name, wanted);
    if !says(header::CONNECTION, "upgrade") || !says(header::UPGRADE, "websocket") {
        let mut response = problem(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket feed");
        response.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
        return response;
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = problem(StatusCode::BAD_REQUEST, "WebSocket version 13 is spoken here");
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, header::HeaderValue::from_static("13"));
        return response;
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()))
    else {
        return problem(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing");
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return problem(StatusCode::BAD_REQUEST, "this connection cannot be upgraded");
    };
    let Some(subscription) = feed.connect() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the feed has as many connections as it can serve");
    };
    tokio::spawn(async move {
        // A client that goes away between handshake and upgrade has nothing to be told.
        if let Ok(upgraded) = upgrade.await {
            let config = WebSocketConfig::default()
                .max_message_size(Some(MESSAGE_LIMIT))
                .max_frame_size(Some(MESSAGE_LIMIT));
            let socket =
                WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
            // However a connection ends, the client knows more about it than the feed does.
            let _ = serve(socket, subscription, stop).await;
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, key)
        .body(Body::empty());
    response.unwrap_or_else(|error| problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

async fn serve(
    mut socket: Socket,
    mut subscription: Subscription,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut ping = tokio::time::interval(PING_INTERVAL);
    ping.reset();
    let listed: Vec<_> = SYMBOLS.iter().map(|symbol| symbol.name).collect();
    send(&mut socket, json!({ "type": "welcome", "symbols": listed }).to_string().into()).await?;
    loop {
        let outgoing = tokio::select! {
            () = stop.cancelled() => {
                let frame = CloseFrame { code: CloseCode::Away, reason: "the feed ends".into() };
                return socket.close(Some(frame)).await;
            }
            message = subscription.messages.recv() => match message {
                Some(text) => text.into(),
                None => return Ok(()),
            },
            incoming = socket.next() => match incoming {
                Some(Ok(Message::Text(text))) => answer(&subscription, &text).to_string().into(),
                Some(Ok(Message::Binary(_))) => error("send text").to_string().into(),
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error),
            },
            _ = ping.tick() => Message::Ping(Vec::new().into()),
        };
        send(&mut socket, outgoing).await?;
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), Error> {
    match tokio::time::timeout(WRITE_LIMIT, socket.send(message)).await {
        Ok(result) => result,
        Err(_) => Err(Error::ConnectionClosed),
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Ask {
    Subscribe { symbols: Vec<String> },
}

/// Does what a client asked and says what came of it. `"*"` asks for everything.
fn answer(subscription: &Subscription, text: &str) -> Value {
    let Ask::Subscribe { symbols } = match serde_json::from_str(text) {
        Ok(ask) => ask,
        Err(reason) => return error(&format!("cannot read the message: {reason}")),
    };
    let mut asked = Vec::new();
    for name in &symbols {
        match symbols::find(name) {
            Some(symbol) => asked.push(symbol.name),
            None if name == "*" => asked.extend(SYMBOLS.iter().map(|symbol| symbol.name)),
            None => return error(&format!("no symbol `{name}`")),
        }
    }
    json!({ "type": "subscribed", "symbols": subscription.add(asked) })
}

fn error(reason: &str) -> Value {
    json!({ "type": "error", "message": reason })
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn subscribes_or_says_why_not() {
        let feed = Feed::new(&mut Registry::default());
        let subscription = feed.connect().unwrap();
        let ask = |text| answer(&subscription, text);
        assert_eq!(
            ask(r#"{"type":"subscribe","symbols":["KEEL","HELM"]}"#),
            json!({"type": "subscribed", "symbols": ["HELM", "KEEL"]})
        );
        assert_eq!(ask(r#"{"type":"subscribe","symbols":["*"]}"#)["symbols"].as_array().unwrap().len(), 8);
        assert_eq!(ask(r#"{"type":"subscribe","symbols":["NOPE"]}"#)["message"], "no symbol `NOPE`");
        assert_eq!(ask("{")["type"], "error");
        assert_eq!(ask(r#"{"type":"shout"}"#)["type"], "error");
    }
}
