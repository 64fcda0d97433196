//! An issuer changes its keys, and is away meanwhile: over real sockets, with the pauses between two fetches taken as over.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use quarterdeck_kernel::SystemClock;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::KeySetView;
use crate::{Config, Engine, Handle, Stored};

struct Key {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key can be made");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).expect("and read back");
        Self { pair, kid }
    }

    fn public(&self) -> serde_json::Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        serde_json::json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y })
    }

    fn token(&self) -> String {
        let header = serde_json::json!({ "alg": "ES256", "kid": self.kid });
        let claims = serde_json::json!({ "sub": "alice", "exp": 4_000_000_000_u64 });
        let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signed = self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("it can sign");
        format!("{message}.{}", BASE64.encode(signed.as_ref()))
    }
}

/// Answers every request with what is in it; breaks off while there is nothing.
async fn serve(answer: Arc<Mutex<Option<String>>>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let body = answer.lock().clone();
                if let Some(body) = body {
                    let head =
                        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
                    let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes()).await;
                }
            });
        }
    });
    address
}

struct Gateway(Handle);

impl Gateway {
    /// The status of an answer to who shows this token.
    async fn ask(&self, key: &Key) -> u16 {
        let mut stream = TcpStream::connect(self.0.addresses()[0]).await.expect("it listens");
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
            key.token()
        );
        stream.write_all(request.as_bytes()).await.expect("it takes requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer.get(9..12).and_then(|status| status.parse().ok()).expect("with a status")
    }

    fn keys(&self) -> KeySetView {
        self.0.table().auth.remote.as_ref().expect("a set is configured").view()
    }

    /// The pause after the last fetch is over.
    fn wait(&self) {
        self.0.table().auth.remote.as_ref().expect("a set is configured").state.lock().tried = None;
    }

    async fn until(&self, what: &str, so: impl Fn(&KeySetView) -> bool) {
        for _ in 0..2000 {
            if so(&self.keys()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} has not happened: {:?}", self.keys());
    }
}

#[tokio::test]
async fn keys_change_and_the_last_that_were_known_hold_while_the_issuer_is_away() {
    let set = |keys: &[&Key]| {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        serde_json::json!({ "keys": keys }).to_string()
    };
    let (old, new) = (Key::new("2026-01"), Key::new("2026-02"));
    let issuer = Arc::new(Mutex::new(Some(set(&[&old]))));
    let service = serve(Arc::new(Mutex::new(Some("well".to_owned())))).await;
    let config: Config = toml::from_str(&format!(
        "listen = [\"127.0.0.1:0\"]\nthreads = 1\nfilters.auth = {{ required = true }}\n\
         services.s.versions = {{ v1 = \"http://{service}\" }}\nauth.jwt = {{ jwks_url = \"http://{}/\" }}\n",
        serve(Arc::clone(&issuer)).await
    ))
    .expect("the configuration is one");
    let started = Engine::start(config, Stored::default(), Arc::new(SystemClock)).await;
    let (engine, handle) = started.expect("it starts");
    let (stop, gateway) = (CancellationToken::new(), Gateway(handle));
    let running = tokio::spawn(engine.run(stop.clone().cancelled_owned()));
    gateway.until("the first set", |keys| keys.keys == 1 && keys.error.is_none()).await;
    assert_eq!((gateway.ask(&old).await, gateway.ask(&new).await), (200, 401));

    // Away: a token of a key that is not there has it asked again, in vain; those that are known hold.
    *issuer.lock() = None;
    gateway.wait();
    assert_eq!(gateway.ask(&new).await, 401);
    gateway.until("a fetch that fails", |keys| keys.failures == 1 && keys.error.is_some()).await;
    assert_eq!((gateway.ask(&old).await, gateway.ask(&new).await), (200, 401));

    // Back, with both, as long as tokens of the old one are about.
    *issuer.lock() = Some(set(&[&old, &new]));
    gateway.wait();
    gateway.until("the second set", |keys| keys.keys == 2 && keys.error.is_none()).await;
    assert_eq!((gateway.ask(&old).await, gateway.ask(&new).await), (200, 200));

    // The old one is withdrawn: whoever shows a key that nobody knows makes the gateway look.
    *issuer.lock() = Some(set(&[&new]));
    gateway.wait();
    assert_eq!(gateway.ask(&Key::new("2026-03")).await, 401);
    gateway.until("the third set", |keys| keys.keys == 1).await;
    assert_eq!((gateway.ask(&old).await, gateway.ask(&new).await), (401, 200));
    assert_eq!(gateway.keys().failures, 1);

    stop.cancel();
    running.await.expect("it ends");
}
