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

#[tokio::test]
async fn paths_have_times_of_their_own() {
    let service = Service::named("x").await;
    let more = "[filters.cache]\nttl = \"200ms\"\n\
                rules = [{ path = \"/live*\", ttl = \"0s\" }, { path = \"/day/*\", ttl = \"1h\" }]\n";
    let gateway = Gateway::before(&[service.address], more).await;
    for path in ["/live", "/day/1?x", "/other"] {
        gateway.get(path, "").await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    // However it is written.
    for (path, hit) in [("/%6cive", false), ("/live", false), ("/day/1?x", true), ("/other", false)] {
        assert_eq!(gateway.get(path, "").await.header("cache-status").is_some(), hit, "{path}");
    }
    gateway.stop().await;
    let wrong = |rules: &str| {
        let text = support::service(&[service.address], &format!("filters.cache.rules = [{rules}]\n"));
        let wrong = quarterdeck_gateway::validate(&support::config(&text));
        wrong.into_iter().map(|(key, why)| format!("{key}: {}", why.message)).collect::<Vec<_>>()
    };
    assert_eq!(
        wrong("{ path = \"live\", ttl = \"1s\" }"),
        ["filters.cache.rules[0].path: \"live\" is not a path"]
    );
    assert_eq!(
        wrong("{ path = \"/a\", ttl = \"1s\" }, { path = \"/a\", ttl = \"2s\" }"),
        ["filters.cache.rules[1].path: \"/a\" is there already: rules[0] comes first"]
    );
}
