//! What is kept, for whom and for how long.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;
use hyper::{HeaderMap, Method, StatusCode};

use super::*;

pub(super) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect()
}

/// A GET of a path, of somebody unknown.
fn asked<'a>(path: &'a str, headers: &'a HeaderMap) -> Asked<'a> {
    static KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
    Asked {
        route: "r",
        pinned: None,
        version: None,
        tls: false,
        believed: None,
        method: &Method::GET,
        body: false,
        host: "h",
        path,
        plain: path,
        headers,
        key_header: &KEY_HEADER,
        anew: false,
    }
}

async fn look(answers: &Arc<Answers>, path: &str, headers: &HeaderMap) -> Lookup {
    answers.look(&asked(path, headers), &CacheRule::default(), Duration::from_secs(5)).await
}

async fn store(answers: &Arc<Answers>, path: &str, request: &HeaderMap, response: &HeaderMap) -> bool {
    let Lookup::Miss(ticket, _) = look(answers, path, request).await else { return false };
    match ticket.fill(StatusCode::OK, response, &CacheRule::default(), &"r".into()) {
        Some(mut filling) => {
            assert!(filling.push(b"body"));
            filling.complete();
            true
        }
        None => false,
    }
}

#[tokio::test]
async fn only_what_may_be_kept_is_kept() {
    let answers = Answers::new(&CacheConfig::default());
    let none = HeaderMap::new();
    assert!(store(&answers, "/plain", &none, &none).await);
    assert!(matches!(look(&answers, "/plain", &none).await, Lookup::Hit(e) if &e.body[..] == b"body"));
    for (i, bad) in [
        ("cache-control", "no-store"),
        ("cache-control", "private, max-age=5"),
        ("cache-control", "max-age=0"),
        ("expires", "0"),
        ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("set-cookie", "a=b"),
        ("vary", "accept-language"),
        ("vary", "*"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(!store(&answers, &format!("/bad{i}"), &none, &headers(&[bad])).await, "{bad:?}");
    }
    let key = headers(&[("x-api-key", "k")]);
    assert!(!store(&answers, "/own", &key, &none).await);
    // What was kept for nobody in particular is not given to somebody.
    assert!(matches!(look(&answers, "/plain", &key).await, Lookup::Miss(..)));
    assert!(store(&answers, "/all", &key, &headers(&[("cache-control", "public")])).await);
    assert!(matches!(look(&answers, "/all", &key).await, Lookup::Hit(_)));
    assert!(matches!(look(&answers, "/plain", &headers(&[("range", "bytes=0-1")])).await, Lookup::Bypass));
    assert_eq!(answers.purge(Some("r"), "/pl*"), 1);
    assert_eq!(answers.purge(Some("other"), "*"), 0);
    assert!(matches!(look(&answers, "/plain", &none).await, Lookup::Miss(..)));
}

#[tokio::test]
async fn answers_are_known_by_all_that_they_depend_on() {
    let answers = Answers::new(&CacheConfig::default());
    let none = HeaderMap::new();
    let asked = asked("/", &none);
    let rule = CacheRule::default();
    let patience = Duration::from_secs(5);
    let Lookup::Miss(ticket, _) = answers.look(&asked, &rule, patience).await else { panic!() };
    ticket.fill(StatusCode::OK, &none, &rule, &"r".into()).unwrap().complete();
    assert!(matches!(answers.look(&asked, &rule, patience).await, Lookup::Hit(_)));
    for other in [
        Asked { tls: true, ..asked },
        Asked { version: Some("v1"), ..asked },
        Asked { pinned: Some("v1"), ..asked },
        Asked { host: "i", ..asked },
        Asked { method: &Method::HEAD, ..asked },
    ] {
        assert!(matches!(answers.look(&other, &rule, patience).await, Lookup::Miss(..)), "{other:?}");
    }
    assert!(matches!(answers.look(&Asked { body: true, ..asked }, &rule, patience).await, Lookup::Bypass));
}

#[tokio::test]
async fn one_fetches_and_the_others_wait() {
    let answers = Answers::new(&CacheConfig::default());
    let none = HeaderMap::new();
    let Lookup::Miss(ticket, _) = look(&answers, "/a", &none).await else { panic!() };
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let answers = Arc::clone(&answers);
            tokio::spawn(
                async move { matches!(look(&answers, "/a", &HeaderMap::new()).await, Lookup::Hit(_)) },
            )
        })
        .collect();
    while answers.counts().waited < 10 {
        tokio::task::yield_now().await;
    }
    let filling = ticket.fill(StatusCode::OK, &none, &CacheRule::default(), &"r".into()).unwrap();
    filling.complete();
    for one in waiting {
        assert!(one.await.unwrap());
    }
    assert_eq!((answers.counts().hits, answers.counts().misses), (10, 1));
}

#[tokio::test]
async fn it_never_takes_more_than_it_may() {
    let answers = Answers::new(&CacheConfig { bytes: 20_000, largest: 1000 });
    let none = HeaderMap::new();
    for n in 0..200 {
        assert!(store(&answers, &format!("/{n}"), &none, &none).await);
    }
    let counts = answers.counts();
    assert!(counts.bytes <= 20_000 && counts.evictions > 0 && counts.entries > 0, "{counts:?}");
}

#[tokio::test]
async fn what_must_be_asked_for_again_is_never_given_past_its_time() {
    let answers = Answers::new(&CacheConfig::default());
    let none = HeaderMap::new();
    let second = Duration::from_secs(1);
    let rule = CacheRule { ttl: second / 10, stale: 100 * second, ..CacheRule::default() };
    let said = ["max-age=9", "must-revalidate", "max-age=9, Proxy-Revalidate", "s-maxage=9"];
    let paths = ["/0", "/1", "/2", "/3"];
    for (path, said) in paths.iter().zip(said) {
        let Lookup::Miss(ticket, None) = answers.look(&asked(path, &none), &rule, second).await else {
            panic!()
        };
        let headers = headers(&[("cache-control", said)]);
        ticket.fill(StatusCode::OK, &headers, &rule, &"r".into()).unwrap().complete();
    }
    tokio::time::sleep(2 * rule.ttl).await;
    for (path, said) in paths.iter().zip(said) {
        let Lookup::Miss(_, stale) = answers.look(&asked(path, &none), &rule, second).await else { panic!() };
        assert_eq!(stale.is_some(), said == "max-age=9", "{said}");
    }
}

#[tokio::test]
async fn the_turn_is_handed_on_and_nothing_is_left_behind() {
    let answers = Answers::new(&CacheConfig::default());
    let none = HeaderMap::new();
    let Lookup::Miss(first, _) = look(&answers, "/a", &none).await else { panic!() };
    let waiting = || {
        let answers = Arc::clone(&answers);
        tokio::spawn(async move { look(&answers, "/a", &HeaderMap::new()).await })
    };
    let mut asked = Vec::new();
    for n in 1..=3 {
        asked.push(waiting());
        while answers.counts().waited < n {
            tokio::task::yield_now().await;
        }
    }
    let [second, third, fourth] = <[_; 3]>::try_from(asked).unwrap();
    // Its caller has gone; the next one's goes while it waits; the one behind that has the turn.
    second.abort();
    assert!(second.await.is_err());
    drop(first);
    let Lookup::Miss(ticket, _) = third.await.unwrap() else { panic!() };
    assert!(ticket.leads() && !fourth.is_finished());
    let private = headers(&[("cache-control", "private")]);
    assert!(ticket.fill(StatusCode::OK, &private, &CacheRule::default(), &"r".into()).is_none());
    let Lookup::Miss(ticket, _) = fourth.await.unwrap() else { panic!() };
    assert!(!ticket.leads(), "nobody waits any more");
    assert!(ticket.fill(StatusCode::OK, &none, &CacheRule::default(), &"r".into()).is_some());
    assert_eq!(answers.flights.count(), 0);
}

#[tokio::test]
async fn callers_that_say_who_they_are_wait_for_what_is_for_all() {
    let answers = Answers::new(&CacheConfig::default());
    let (key, all) = (headers(&[("x-api-key", "k")]), headers(&[("cache-control", "public")]));
    let Lookup::Miss(ticket, _) = look(&answers, "/a", &key).await else { panic!() };
    assert!(!ticket.leads(), "nobody knows yet that it is for all");
    ticket.fill(StatusCode::OK, &all, &CacheRule::default(), &"r".into()).unwrap().complete();
    answers.purge(None, "*");
    let Lookup::Miss(ticket, _) = look(&answers, "/a", &key).await else { panic!() };
    assert!(ticket.leads());
    // It is no more: those who wait go each for itself.
    assert!(ticket.fill(StatusCode::OK, &HeaderMap::new(), &CacheRule::default(), &"r".into()).is_none());
    let Lookup::Miss(ticket, _) = look(&answers, "/a", &key).await else { panic!() };
    assert!(!ticket.leads());
}
