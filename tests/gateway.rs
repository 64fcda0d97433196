//! The gateway in the built program: from one line, steered from the shell, over a restart.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use support::{Home, eventually};

/// A service that answers its name.
fn service(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut stream, mut buffer) = (stream, [0; 4096]);
                while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                    if stream.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port")
}

/// Who answers.
fn ask(gateway: SocketAddr) -> String {
    support::request(&gateway.to_string(), "GET", "/", &[], b"").1
}

#[test]
fn one_line_takes_traffic_and_what_an_operator_sets_outlives_the_process() {
    let (one, two, gateway) = (service("one"), service("two"), free().to_string());
    let (first, second) = (format!("orders=v1:http://{one}"), format!("orders=v2:http://{two}"));
    let home = Home::new();
    let args = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--gateway",
        &gateway,
        "--upstream",
        &first,
        "--upstream",
        &second,
        "--split",
        "orders=v1:100,v2:0",
    ];
    let mut server = home.serve(&args);
    let address: SocketAddr = gateway.parse().expect("an address");
    eventually("the gateway answers", || (ask(address) == "one").then_some(()));
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("quarterdeck_gateway_requests_total{"), "{metrics}");

    let (code, out, error) = home.run(&["act", "gateway.split", "orders", "v2=1"]);
    assert_eq!((code, out.trim()), (0, "orders: traffic v1=0,v2=1 (was v1=100,v2=0)"), "{error}");
    assert_eq!(ask(address), "two");
    assert!(server.timeline().iter().any(|e| e["summary"] == "orders: traffic v1=0,v2=1 (was v1=100,v2=0)"));
    let (code, _, error) = home.run(&["act", "gateway.split", "order", "v2=1"]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("did you mean orders?"), "{error}");

    server.kill();
    let mut server = home.serve(&args);
    eventually("the split is as it was set", || (ask(address) == "two").then_some(()));
    let (code, _, error) = home.run(&["act", "gateway.split", "service:orders", "shares=configured"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(ask(address), "one");
    let (code, _, error) =
        home.run(&["act", "gateway.breaker", "service:orders", "version=v1", "state=open"]);
    assert_eq!(code, 0, "{error}");
    assert!(ask(address).contains("circuit_open"));
    // Given back, it looks at once how things are.
    let give_back = ["act", "gateway.breaker", "service:orders", "version=v1", "state=auto"];
    assert_eq!(home.run(&give_back).0, 0);
    assert_eq!(ask(address), "one");
    let (code, _, error) = home.run(&give_back);
    assert_ne!(code, 0);
    assert!(error.contains("decides for itself already"), "{error}");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

/// What a caller is told of its day: the answer's status, and how many requests are left.
fn left_today(gateway: SocketAddr) -> (u16, Option<u64>) {
    let attempt = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(gateway)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = attempt().unwrap_or_default();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let left =
        answer.split("\"daily\";r=").nth(1).and_then(|rest| rest.split([';', '\r']).next()?.parse().ok());
    (status, left)
}

#[test]
fn what_was_used_of_a_day_is_known_after_a_kill() {
    let (one, gateway) = (service("one"), free());
    let home = Home::new();
    let text = format!(
        "[gateway]\nlisten = [\"{gateway}\"]\nfilters.rate_limit = {{ anonymous = \"guest\" }}\ntiers.guest = {{ daily = 5 }}\n\
         services.orders.versions.v1 = \"http://{one}\"\n"
    );
    let config = home.file("quarterdeck.toml", &text).display().to_string();
    let args = ["serve", "--listen", "127.0.0.1:0", "--config", &config];
    let mut server = home.serve(&args);
    // A day of UTC may end in between; then there is nothing to be remembered.
    let day = || jiff::Timestamp::now().as_second() / 86_400;
    let today = day();
    eventually("the gateway answers", || std::net::TcpStream::connect(gateway).ok());
    assert_eq!([(); 3].map(|()| left_today(gateway)), [(200, Some(4)), (200, Some(3)), (200, Some(2))]);
    // It is written each second.
    std::thread::sleep(std::time::Duration::from_secs(5));
    server.kill();
    let _server = home.serve(&args);
    eventually("the gateway answers", || std::net::TcpStream::connect(gateway).ok());
    let told = [(); 3].map(|()| left_today(gateway));
    if day() == today {
        assert_eq!(told, [(200, Some(1)), (200, Some(0)), (429, Some(0))]);
        assert!(ask(gateway).contains("quota_exceeded"));
    }
}

#[test]
fn what_cannot_be_is_told_at_the_start() {
    let home = Home::new();
    let serve = |more: &[&str]| home.run(&[&["serve", "--listen", "127.0.0.1:0"], more].concat());
    let (code, _, error) = serve(&["--gateway", "127.0.0.1:0", "--upstream", "orders=http://a"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("SERVICE=VERSION:URL"), "{error}");
    let (code, _, error) = serve(&["--gateway", "127.0.0.1:0"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("no service"), "{error}");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = taken.local_addr().expect("its address").to_string();
    let (code, _, error) = serve(&["--gateway", &address, "--upstream", "orders=v1:http://127.0.0.1:1"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("another program listens there"), "{error}");
}
