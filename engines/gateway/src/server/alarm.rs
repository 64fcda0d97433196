//! A timer that one request of a connection after the other uses: set anew only when it has run or would run too late, so that
//! requests that are answered in time do not touch the runtime's timers.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

const NEVER: Duration = Duration::from_secs(86_400 * 365 * 10);

/// When so much time has passed from now on, or as good as never where that cannot be told.
pub(crate) fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now + NEVER)
}

/// Where a connection keeps its timer between requests.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<Option<Pin<Box<Sleep>>>>);

/// The timer in use. Of several at once, as over HTTP/2, one is kept.
#[derive(Debug)]
pub(crate) struct Alarm<'a> {
    kept: &'a Alarms,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarms {
    pub(crate) fn take(&self) -> Alarm<'_> {
        Alarm { kept: self, sleep: self.0.lock().take() }
    }
}

impl Alarm<'_> {
    /// Ready at this moment.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // One that runs earlier was set for a request before: it is looked at then.
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        // Whatever else this task has done in this turn, the time is told: work without end must not put its end off.
        while pin!(tokio::task::unconstrained(sleep.as_mut())).poll(cx).is_ready() {
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
        Poll::Pending
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        *self.kept.0.lock() = self.sleep.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn a_task_that_has_used_up_its_turn_is_told_the_time_all_the_same() {
        let alarms = Alarms::default();
        let until = Instant::now() + Duration::from_millis(5);
        let mut alarm = alarms.take();
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx, until).is_pending())).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let told = poll_fn(|cx| {
            while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
            Poll::Ready(alarm.poll(cx, until))
        });
        assert!(told.await.is_ready());
    }

    #[tokio::test]
    async fn one_timer_serves_deadlines_in_any_order_and_never_runs_early() {
        let alarms = Alarms::default();
        for millis in [5, 40, 1, 20, 20] {
            let until = Instant::now() + Duration::from_millis(millis);
            let mut alarm = alarms.take();
            // Another request was given up, or answered, before its time.
            let before = Instant::now() + Duration::from_millis(10);
            poll_fn(|cx| Poll::Ready(alarm.poll(cx, before).is_pending())).await;
            drop(alarm);
            let mut alarm = alarms.take();
            poll_fn(|cx| alarm.poll(cx, until)).await;
            assert!(Instant::now() >= until, "{millis} ms");
        }
        let (mut first, mut second) = (alarms.take(), alarms.take());
        let until = Instant::now() + Duration::from_millis(5);
        poll_fn(|cx| second.poll(cx, until)).await;
        poll_fn(|cx| first.poll(cx, until)).await;
        assert!(Instant::now() >= until);
    }
}
