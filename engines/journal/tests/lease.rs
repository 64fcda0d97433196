//! Which of several consoles does what only one may do.

use std::time::Duration;

use quarterdeck_journal::lease::{Console, Held, Lease, LeaseError, TERM};
use quarterdeck_journal::store::Db;
use quarterdeck_journal::testing::{START, Scratch};
use quarterdeck_kernel::Timestamp;

fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

async fn take_for(db: &Db, what: &'static str, who: &str, now: Timestamp) -> Held {
    let console = Console { name: who.to_owned(), address: format!("http://{who}") };
    Lease::take(db, what, &console, now).await.expect("it is asked for")
}

async fn take(db: &Db, who: &str, now: Timestamp) -> Held {
    take_for(db, "work", who, now).await
}

fn mine(held: Held) -> Lease {
    match held {
        Held::Mine(lease) => lease,
        Held::By { .. } => panic!("{held:?}"),
    }
}

#[tokio::test]
async fn one_holds_it_until_its_term_is_over_and_then_never_again() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[]).await;
        let first = mine(take(&db, "a", at(0)).await);
        let until = at(0) + TERM;
        let by = Held::By { holder: "a".into(), address: "http://a".into(), until };
        assert_eq!(take(&db, "b", at(1)).await, by, "{}", scratch.name());
        let renewed = first.renew(&db, at(4)).await.expect("it is renewed");
        assert!(matches!(take(&db, "b", until).await, Held::By { .. }), "it was renewed");
        // It slept too long: another takes over, and it writes nothing any more.
        let second = mine(take(&db, "b", renewed.until).await);
        assert!(second.fence > renewed.fence);
        let mut tx = db.begin().await.expect("a transaction");
        assert!(matches!(renewed.prove(&mut tx, at(11)).await, Err(LeaseError::Lost)));
        tx.rollback().await.expect("a rollback");
        assert!(matches!(renewed.renew(&db, at(11)).await, Err(LeaseError::Lost)));
        renewed.give_back(&db).await.expect("nothing is given back");
        assert!(matches!(take(&db, "c", at(11)).await, Held::By { holder, .. } if holder == "b"));
        // Given back, it need not be waited for.
        second.give_back(&db).await.expect("it is given back");
        mine(take(&db, "c", at(11)).await);
    }
}

#[tokio::test]
async fn of_many_that_ask_at_once_one_gets_it() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[]).await;
        let names: Vec<String> = (0..8).map(|n| format!("console {n}")).collect();
        let asked = names.iter().map(|name| take(&db, name, at(0)));
        let held = futures_util::future::join_all(asked).await;
        let lucky = held.iter().filter(|h| matches!(h, Held::Mine(_))).count();
        assert_eq!(lucky, 1, "{}: {held:?}", scratch.name());
    }
}

#[tokio::test]
async fn each_thing_has_a_holder_of_its_own() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[]).await;
        let first = mine(take_for(&db, "work", "a", at(0)).await);
        let second = mine(take_for(&db, "rest", "b", at(0)).await);
        first.give_back(&db).await.expect("it is given back");
        assert!(matches!(take_for(&db, "rest", "a", at(1)).await, Held::By { holder, .. } if holder == "b"));
        second.renew(&db, at(1)).await.expect("it is renewed");
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_takes_nothing_from_its_holder() {
    let scratch = Scratch::sqlite();
    let db = scratch.open(&[]).await;
    let lease = mine(take(&db, "a", at(100)).await);
    let renewed = lease.renew(&db, at(50)).await.expect("it is renewed");
    assert_eq!(renewed.until, lease.until);
}

#[tokio::test]
async fn a_console_that_is_started_again_need_not_wait() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[]).await;
        let here = scratch.path().join("here");
        let named =
            |folder: &std::path::Path| Console::kept(folder, "http://here".to_owned()).expect("a name");
        let first = mine(Lease::take(&db, "work", &named(&here), at(0)).await.expect("it is asked for"));
        let other = named(&scratch.path().join("there"));
        let held = Lease::take(&db, "work", &other, at(1)).await.expect("it is asked for");
        assert!(matches!(held, Held::By { .. }), "{held:?}");
        let again = mine(Lease::take(&db, "work", &named(&here), at(1)).await.expect("it is asked for"));
        assert!(again.fence > first.fence, "what is left of the earlier run writes nothing");
        assert!(matches!(first.renew(&db, at(2)).await, Err(LeaseError::Lost)));
    }
}
