//! What other consoles ask of the one that notifies: in order, and not more than it can take.

use std::sync::Arc;

use quarterdeck_alerting::store::Inbox;
use quarterdeck_journal::testing::Scratch;
use quarterdeck_journal::values;

use super::at;

#[tokio::test]
async fn requests_of_other_consoles_wait_in_order_until_they_are_answered() {
    for scratch in Scratch::each() {
        let db = scratch.open(&[quarterdeck_alerting::MIGRATIONS]).await;
        let inbox = Inbox(&db);
        let mut ids: Vec<Arc<str>> = Vec::new();
        for n in 0..3 {
            ids.push(
                inbox
                    .ask(&format!("request {n}"), at(n))
                    .await
                    .expect("it is put in")
                    .expect("there is room")
                    .into(),
            );
        }
        let waiting = inbox.waiting().await.expect("it is read");
        assert_eq!(
            waiting.iter().map(|w| &*w.id).collect::<Vec<_>>(),
            ids.iter().map(|i| &**i).collect::<Vec<_>>()
        );
        assert_eq!(inbox.answer_of(&ids[0]).await.expect("it is read"), None);
        let mut tx = db.begin().await.expect("a transaction");
        Inbox::answer(&mut tx, &ids[0], "done", at(4)).await.expect("it is answered");
        tx.commit().await.expect("a commit");
        assert_eq!(inbox.answer_of(&ids[0]).await.expect("it is read").as_deref(), Some("done"));
        assert_eq!(inbox.waiting().await.expect("it is read").len(), 2);
        // Old answers go with later ones; what waits stays however old it is.
        let mut tx = db.begin().await.expect("a transaction");
        Inbox::answer(&mut tx, &ids[1], "done too", at(4000)).await.expect("it is answered");
        tx.commit().await.expect("a commit");
        assert_eq!(inbox.answer_of(&ids[0]).await.expect("it is read"), None);
        assert_eq!(inbox.waiting().await.expect("it is read").len(), 1);
    }
}

#[tokio::test]
async fn more_requests_of_other_consoles_than_may_wait_are_refused() {
    for scratch in Scratch::each() {
        let name = scratch.name();
        let db = scratch.open(&[quarterdeck_alerting::MIGRATIONS]).await;
        let inbox = Inbox(&db);
        // So large that two are too much for the console that reads them.
        let large = "x".repeat(70 << 20);
        let id = inbox.ask(&large, at(0)).await.expect("it is put in").expect("there is room");
        assert_eq!(inbox.ask(&large, at(1)).await, Ok(None), "{name}");
        assert!(inbox.ask("small", at(2)).await.expect("it is put in").is_some(), "{name}: for a small one");
        let mut tx = db.begin().await.expect("a transaction");
        Inbox::answer(&mut tx, &id, "done", at(3)).await.expect("it is answered");
        for n in 0..9_999 {
            let insert = "INSERT INTO alerting_inbox (id, asked_at, request) VALUES ($1, $2, 'r')";
            tx.execute(insert, &values![format!("id {n}"), at(4)]).await.expect("a row");
        }
        tx.commit().await.expect("a commit");
        assert_eq!(inbox.ask("one more", at(5)).await, Ok(None), "{name}: ten thousand wait");
        assert_eq!(
            inbox.waiting().await.expect("it is read").len(),
            500,
            "{name}: they are taken bit by bit"
        );
        let mut tx = db.begin().await.expect("a transaction");
        Inbox::answer(&mut tx, "id 7", "done", at(6)).await.expect("it is answered");
        tx.commit().await.expect("a commit");
        assert!(
            inbox.ask("one more", at(7)).await.expect("it is put in").is_some(),
            "{name}: there is room again"
        );
    }
}
