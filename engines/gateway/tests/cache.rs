//! The memory of answers, over real sockets.

mod support;

use hyper::Response;
use support::{Gateway, Service};

#[tokio::test]
async fn callers_behind_a_proxy_get_the_answer_to_what_they_asked_for() {
    let service = Service::start(|parts, _| {
        let told = |name: &str| parts.headers[name].to_str().unwrap();
        let (proto, host) = (told("x-forwarded-proto"), told("x-forwarded-host"));
        if proto == "https" {
            return Response::new(format!("<a href=https://{host}/>"));
        }
        Response::builder()
            .status(301)
            .header("location", format!("https://{host}/"))
            .body(String::new())
            .unwrap()
    })
    .await;
    let more = "trusted_proxies = [\"127.0.0.1\"]\nfilters.cache = {}\n";
    let gateway = Gateway::before(&[service.address], more).await;
    assert_eq!(gateway.get("/", "X-Forwarded-Proto: http\r\n").await.status, 301);
    let https = gateway.get("/", "X-Forwarded-Proto: https\r\n").await;
    assert_eq!((https.status, https.body.as_str()), (200, "<a href=https://test/>"));
    // One that names another host is not answered for everybody.
    let other = gateway.get("/", "X-Forwarded-Proto: https\r\nx-forwarded-host: evil\r\n").await;
    assert_eq!(other.body, "<a href=https://evil/>");
    let again = gateway.get("/", "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n").await;
    assert_eq!((&again.body, again.header("cache-status")), (&https.body, Some("quarterdeck; hit")));
    assert_eq!(service.count(), 3);
    gateway.stop().await;
}
