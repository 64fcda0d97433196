//! The event loop, on a test backend and streams made by hand.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures_util::StreamExt;
use futures_util::stream;
use quarterdeck_kernel::{ManualClock, SystemClock, Timestamp};
use quarterdeck_ui::run::{Ended, Plain, Screen, Session, Signal, no_signals, run};
use quarterdeck_ui::{HostEffect, Input};
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::sync::{mpsc, watch};

use crate::support::{Desk, Fake, NOW};

/// Counts what is painted.
struct Counting {
    inner: Plain<TestBackend>,
    frames: Arc<AtomicUsize>,
    gone: bool,
    copied: Vec<String>,
}

impl Counting {
    fn new() -> Self {
        let backend = TestBackend::new(80, 24);
        Self { inner: Plain(backend), frames: Arc::default(), gone: false, copied: Vec::new() }
    }
}

impl Screen for Counting {
    type Error = io::Error;

    fn size(&mut self) -> io::Result<(u16, u16)> {
        self.inner.size().map_err(io::Error::other)
    }

    fn paint(&mut self, before: &Buffer, now: &Buffer) -> io::Result<()> {
        if self.gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.frames.fetch_add(1, Ordering::SeqCst);
        self.inner.paint(before, now).map_err(io::Error::other)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear().map_err(io::Error::other)
    }

    fn copy(&mut self, text: &str) -> Result<(), String> {
        self.copied.push(text.to_owned());
        Ok(())
    }
}

fn key(c: char) -> io::Result<Event> {
    Ok(Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)))
}

type Worlds = watch::Sender<Arc<Fake>>;

/// Runs a loop; `drive` gets the ends that the host holds.
async fn looped<E, G, D>(
    screen: &mut Counting,
    events: E,
    signals: G,
    drive: impl FnOnce(Worlds, mpsc::Sender<Input<Fake>>) -> D,
) -> (Ended, Vec<HostEffect<Fake>>)
where
    E: futures_util::Stream<Item = io::Result<Event>> + Unpin,
    G: futures_util::Stream<Item = Signal> + Unpin,
    D: Future<Output = ()>,
{
    let mut desk = Desk::new(Fake::default());
    let (worlds, seen) = watch::channel(Arc::new(Fake::default()));
    let (inputs, taken) = mpsc::channel(64);
    let clock = ManualClock::new(NOW);
    let session = Session {
        shell: &mut desk.shell,
        screen,
        events,
        signals,
        worlds: seen,
        inputs: taken,
        clock: &clock,
    };
    let mut effects = Vec::new();
    let (ended, ()) = tokio::join!(run(session, |effect| effects.push(effect)), drive(worlds, inputs));
    (ended, effects)
}

#[tokio::test(start_paused = true)]
async fn keys_draw_and_q_ends() {
    let mut screen = Counting::new();
    let events = stream::iter([key('a'), key('y'), key('q')]).chain(stream::pending());
    let (ended, effects) = looped(&mut screen, events, no_signals(), |_w, _i| async {}).await;
    assert_eq!(ended, Ended::Quit);
    assert!(effects.iter().any(|e| matches!(e, HostEffect::Dispatch(i) if i.action == "alerts.acknowledge")));
    assert!(effects.iter().any(|e| matches!(e, HostEffect::SaveState(_))));
    assert_eq!(screen.copied, ["a\nb"]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_terminal_ends_the_loop() {
    for events in [stream::iter(vec![]), stream::iter(vec![Err(io::ErrorKind::UnexpectedEof.into())])] {
        let mut screen = Counting::new();
        let (ended, _) = looped(&mut screen, events, no_signals(), |_w, _i| async {}).await;
        assert_eq!(ended, Ended::Closed);
    }
    let mut screen = Counting { gone: true, ..Counting::new() };
    let (ended, _) = looped(&mut screen, stream::pending(), no_signals(), |_w, _i| async {}).await;
    assert_eq!(ended, Ended::Closed);
}

#[tokio::test(start_paused = true)]
async fn signals_end_it_too() {
    let mut screen = Counting::new();
    let signals = stream::iter([Signal::Continue, Signal::End("SIGTERM")]);
    let (ended, _) = looped(&mut screen, stream::pending(), signals, |_w, _i| async {}).await;
    assert_eq!(ended, Ended::Signal("SIGTERM"));
}

#[tokio::test(start_paused = true)]
async fn worlds_coalesce_and_nothing_changed_is_nothing_drawn() {
    let mut screen = Counting::new();
    let frames = screen.frames.clone();
    let (events, received) = mpsc::channel::<io::Result<Event>>(8);
    let events_stream =
        stream::unfold(received, |mut r| async move { r.recv().await.map(|e| (e, r)) }).boxed();
    let drive = |worlds: Worlds, _inputs| async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let first = frames.load(Ordering::SeqCst);
        assert_eq!(first, 1, "one frame at the start");
        for version in 2..102 {
            // A hundred new worlds in a second, each of which changes what is seen.
            let services = vec![format!("service-{version}")];
            worlds.send_replace(Arc::new(Fake { version, services, ..Fake::default() }));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let drawn = frames.load(Ordering::SeqCst) - first;
        assert!((20..=32).contains(&drawn), "{drawn} frames for a second of changes");
        for version in 200..220 {
            let services = vec!["service-101".to_owned()];
            worlds.send_replace(Arc::new(Fake { version, services, ..Fake::default() }));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            frames.load(Ordering::SeqCst) - first,
            drawn,
            "new versions that look the same draw nothing"
        );
        let _ = events.send(key('q')).await;
        // The ends stay open until the loop is done.
        tokio::time::sleep(Duration::from_millis(10)).await;
        drop(worlds);
    };
    let (ended, _) = looped(&mut screen, events_stream, no_signals(), drive).await;
    assert_eq!(ended, Ended::Quit);
}

/// Keys that wake only whoever waited first since the last one, as a terminal's stream does.
#[derive(Clone, Default)]
struct Sparing(Arc<Mutex<(VecDeque<Event>, Option<Waker>)>>);

impl Sparing {
    fn press(&self, c: char) {
        let mut state = self.0.lock().expect("nobody panics with it");
        state.0.extend(key(c));
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

impl futures_util::Stream for Sparing {
    type Item = io::Result<Event>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock().expect("nobody panics with it");
        match state.0.pop_front() {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => {
                state.1.get_or_insert_with(|| cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_key_wakes_the_loop() {
    let mut screen = Counting::new();
    let events = Sparing::default();
    let hand = events.clone();
    let drive = |worlds: Worlds, inputs| async move {
        // A task of its own: only a key may wake the loop.
        let pressing = tokio::spawn(async move {
            for c in ['j', 'k', 'j', 'q'] {
                tokio::time::sleep(Duration::from_millis(10)).await;
                hand.press(c);
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert!(hand.0.lock().expect("nobody panics with it").0.is_empty(), "{c} is not seen");
            }
        });
        pressing.await.unwrap();
        // The ends stay open until the loop is done.
        drop((worlds, inputs));
    };
    let (ended, _) = looped(&mut screen, events, no_signals(), drive).await;
    assert_eq!(ended, Ended::Quit);
}

#[tokio::test(start_paused = true)]
async fn answers_and_tellings_arrive() {
    let mut screen = Counting::new();
    let (events, received) = mpsc::channel::<io::Result<Event>>(8);
    let events_stream =
        stream::unfold(received, |mut r| async move { r.recv().await.map(|e| (e, r)) }).boxed();
    let drive = |_worlds, inputs: mpsc::Sender<Input<Fake>>| async move {
        let told = Input::Tell(quarterdeck_kernel::Severity::Info, "written to orders.csv".into());
        inputs.send(told).await.unwrap_or_else(|_| panic!("the loop takes inputs"));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = events.send(Ok(Event::Resize(90, 30))).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = events.send(key('q')).await;
    };
    let (ended, _) = looped(&mut screen, events_stream, no_signals(), drive).await;
    assert_eq!(ended, Ended::Quit);
    let painted = screen.inner.0.to_string();
    assert!(painted.contains("written to orders.csv"), "{painted}");
}

#[tokio::test]
async fn the_first_frame_waits_for_nothing() {
    let mut desk = Desk::new(Fake::default());
    let mut screen = Counting::new();
    let frames = screen.frames.clone();
    let (_worlds, seen) = watch::channel(Arc::new(Fake::default()));
    let (_inputs, taken) = mpsc::channel(1);
    let session = Session {
        shell: &mut desk.shell,
        screen: &mut screen,
        events: stream::pending(),
        signals: no_signals(),
        worlds: seen,
        inputs: taken,
        clock: &SystemClock,
    };
    let mut running = Box::pin(run(session, |_| {}));
    let once = futures_util::FutureExt::now_or_never(&mut running);
    assert!(once.is_none());
    assert_eq!(frames.load(Ordering::SeqCst), 1, "painted in the first poll");
    assert!(Timestamp::default() < NOW);
}
