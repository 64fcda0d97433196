//! The shell of one feed: owns its socket and its state machine, and fills its queue.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::config::FeedConfig;
use crate::machine::{Effect, Input, Machine};
use crate::model::FeedState;
use crate::pace::{Found, Pace};
use crate::queue::{Payload, Queue, Raw, Signal};
use crate::socket::{self, Socket};
use crate::wire::Wire;

/// Frames taken from a socket before anything else is looked at.
const BURST: usize = 256;

/// How long a feed is read at every arrival after a ping, so that the answer's time is its own.
const ECHO: Duration = Duration::from_millis(250);

/// A wait that nobody waits for.
const LONG: Duration = Duration::from_secs(3600);

/// How long a polite goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the digester sees of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) state: FeedState,
    pub(crate) since: Timestamp,
    pub(crate) reconnects: u64,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) last_error: Option<(Timestamp, String)>,
    /// Grows with every change.
    pub(crate) version: u64,
}

/// What an operator wants, answered when it is under way.
pub(crate) type Command = (Input, oneshot::Sender<()>);

/// One feed's connection and everything it needs.
pub(crate) struct Feed {
    pub(crate) config: Arc<FeedConfig>,
    pub(crate) machine: Machine,
    pub(crate) queue: Arc<Queue>,
    pub(crate) status: Arc<Mutex<Status>>,
    pub(crate) signal: Arc<Signal>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pace: Pace,
    /// The instant that all feeds count their beats from.
    pub(crate) epoch: Instant,
}

enum Connection {
    Idle,
    Opening(Pin<Box<dyn Future<Output = Result<Socket, String>> + Send>>),
    Open(Box<Socket>),
}

enum Event {
    Opened(Result<Box<Socket>, String>),
    Frame(Option<Result<Message, Error>>),
    Beat,
    Wake,
    Room,
    Command(Option<Command>),
}

impl Connection {
    async fn next(&mut self) -> Event {
        match self {
            Self::Idle => pending().await,
            Self::Opening(opening) => Event::Opened(opening.await.map(Box::new)),
            Self::Open(socket) => Event::Frame(socket.next().await),
        }
    }

    /// What is under it, when it stands.
    fn wire(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Open(socket) => socket::wire(socket),
            Self::Idle | Self::Opening(_) => None,
        }
    }

    /// A frame that is there already.
    fn at_once(&mut self) -> Option<Option<Result<Message, Error>>> {
        match self {
            Self::Open(socket) => socket.next().now_or_never(),
            Self::Idle | Self::Opening(_) => None,
        }
    }
}

/// Why a look at the socket ended.
enum Looked {
    /// Everything that had come was taken.
    All,
    /// There may be more.
    Some,
    /// The connection is gone.
    Lost(Input),
}

impl Feed {
    /// Runs until nobody can command the feed any more.
    pub(crate) async fn run(mut self) {
        let mut connection = Connection::Idle;
        // A message that has no room in the queue: while it waits, the socket is not read.
        let mut held: Option<Raw> = None;
        let mut sleep = std::pin::pin!(tokio::time::sleep(LONG));
        let mut beat = std::pin::pin!(tokio::time::sleep(LONG));
        self.apply(Input::Start, &mut connection).await;
        loop {
            self.tell();
            let (waits, beats) = (self.wait(sleep.as_mut()), self.pace.in_beats());
            let event = tokio::select! {
                command = self.commands.recv() => Event::Command(command),
                () = self.queue.room(), if held.is_some() => Event::Room,
                event = connection.next(), if held.is_none() && !beats => event,
                () = &mut beat, if held.is_none() && beats => Event::Beat,
                () = &mut sleep, if held.is_none() && waits => Event::Wake,
            };
            let input = match event {
                Event::Command(None) => break,
                Event::Command(Some((input, done))) => {
                    held = held.filter(|_| !matches!(input, Input::Reconnect | Input::Pause));
                    self.apply(input, &mut connection).await;
                    self.tell();
                    // The one who asked may be gone.
                    let _ = done.send(());
                    continue;
                }
                Event::Wake => Input::Wake,
                Event::Opened(Ok(socket)) => {
                    connection = Connection::Open(socket);
                    self.pace = Pace::default();
                    Input::Connected
                }
                Event::Opened(Err(why)) => Input::Lost(why),
                Event::Room => {
                    held = held.and_then(|raw| self.queue.push(raw).err());
                    // Silence while the socket was not read says nothing about the server.
                    Input::Heard
                }
                Event::Frame(frame) => {
                    match self.look(Some(frame), &mut connection, &mut held, beat.as_mut()) {
                        Some(lost) => lost,
                        None => continue,
                    }
                }
                Event::Beat => match self.look(None, &mut connection, &mut held, beat.as_mut()) {
                    Some(lost) => lost,
                    None => continue,
                },
            };
            self.apply(input, &mut connection).await;
        }
        farewell(connection);
    }

    /// Looks at the socket and sets the pace for the next look; says if the connection ended.
    fn look(
        &mut self,
        first: Option<Option<Result<Message, Error>>>,
        connection: &mut Connection,
        held: &mut Option<Raw>,
        beat: Pin<&mut Sleep>,
    ) -> Option<Input> {
        let before = self.pace.in_beats();
        if before && let Some(wire) = connection.wire() {
            wire.look();
        }
        let (looked, found) = self.frames(first, connection, held);
        let all = match looked {
            Looked::Lost(why) => return Some(why),
            Looked::All => true,
            Looked::Some => false,
        };
        let now = self.epoch.elapsed();
        self.pace.looked(found, now);
        let beats = self.pace.in_beats();
        if beats {
            beat.reset(self.epoch + if all { Pace::next_beat(now) } else { now });
        }
        if beats == before {
            return None;
        }
        self.watch(connection).err().map(Input::Lost)
    }

    /// Has arrivals wake this feed, or not, as the pace wants it.
    fn watch(&self, connection: &mut Connection) -> Result<(), String> {
        let Some(wire) = connection.wire() else { return Ok(()) };
        let done = if self.pace.in_beats() { wire.unwatch() } else { wire.watch() };
        done.map_err(|e| format!("the connection cannot be read: {e}"))
    }

    /// Takes a frame and those that are there already.
    fn frames(
        &mut self,
        first: Option<Option<Result<Message, Error>>>,
        connection: &mut Connection,
        held: &mut Option<Raw>,
    ) -> (Looked, Found) {
        let (at, mut found) = (self.clock.now(), Found::default());
        let mut next = first;
        for _ in 0..BURST {
            let Some(frame) = next.take().or_else(|| connection.at_once()) else {
                return (Looked::All, found);
            };
            found.frames += 1;
            if let Some(lost) = self.frame(frame, at, held, &mut found.bytes) {
                return (Looked::Lost(lost), found);
            }
            if held.is_some() {
                break;
            }
        }
        (Looked::Some, found)
    }

    fn frame(
        &mut self,
        frame: Option<Result<Message, Error>>,
        at: Timestamp,
        held: &mut Option<Raw>,
        bytes: &mut usize,
    ) -> Option<Input> {
        let payload = match frame {
            None => return Some(Input::Lost("the server closed the connection".to_owned())),
            Some(Err(e)) => {
                if socket::refuses_message(&e) {
                    self.queue.refuse();
                }
                return Some(Input::Lost(socket::explain(&e)));
            }
            Some(Ok(Message::Close(frame))) => return Some(Input::Lost(socket::closed(frame.as_ref()))),
            Some(Ok(Message::Pong(_))) => {
                self.machine.step(Input::Pong, at);
                return None;
            }
            Some(Ok(Message::Ping(_) | Message::Frame(_))) => {
                self.machine.step(Input::Heard, at);
                return None;
            }
            Some(Ok(Message::Text(text))) => Payload::from(text),
            Some(Ok(Message::Binary(bytes))) => Payload::Binary(bytes),
        };
        *bytes += payload.len();
        // A message never asks for anything to be done.
        self.machine.step(Input::Message, at);
        *held = self.queue.push(Raw { at, payload, connection: self.machine.reconnects() }).err();
        None
    }

    /// Steps the machine and does what it says.
    async fn apply(&mut self, input: Input, connection: &mut Connection) {
        let mut effects = self.machine.step(input, self.clock.now());
        while !effects.is_empty() {
            let mut failed = None;
            for effect in effects {
                match effect {
                    Effect::Connect => {
                        farewell(std::mem::replace(connection, Connection::Idle));
                        *connection =
                            Connection::Opening(Box::pin(socket::connect(Arc::clone(&self.config))));
                    }
                    Effect::Disconnect => farewell(std::mem::replace(connection, Connection::Idle)),
                    Effect::Subscribe => {
                        for message in &self.config.subscribe {
                            let sent = send(connection, Message::text(message.clone()), &self.config).await;
                            failed = failed.or(sent.err());
                        }
                    }
                    Effect::Ping => {
                        self.pace.hold(self.epoch.elapsed(), ECHO);
                        let ping = Message::Ping(bytes::Bytes::from_static(b"quarterdeck"));
                        failed = match self.watch(connection) {
                            Ok(()) => send(connection, ping, &self.config).await.err(),
                            Err(why) => Some(why),
                        };
                    }
                }
            }
            effects = match failed {
                Some(why) => self.machine.step(Input::Lost(why), self.clock.now()),
                None => Vec::new(),
            };
        }
    }

    /// Has a sleep end no later than the machine's deadline; says whether there is one. Most deadlines move on with every
    /// message: a sleep that ends too early finds nothing due and is set anew, which costs less than moving it along.
    fn wait(&self, sleep: Pin<&mut Sleep>) -> bool {
        let Some(deadline) = self.machine.deadline() else { return false };
        let due = Instant::now() + deadline.since(self.clock.now());
        if sleep.is_elapsed() || due < sleep.deadline() {
            sleep.reset(due);
        }
        true
    }

    /// Tells the digester what has changed about the connection.
    fn tell(&self) {
        let mut status = self.status.lock();
        let machine = &self.machine;
        let same = status.state == machine.state()
            && status.since == machine.since()
            && status.round_trip == machine.round_trip()
            && status.reconnects == machine.reconnects()
            && status.last_error.as_ref().map(|e| e.0) == machine.last_error().map(|e| e.0);
        if same {
            return;
        }
        *status = Status {
            state: machine.state(),
            since: machine.since(),
            reconnects: machine.reconnects(),
            round_trip: machine.round_trip(),
            last_error: machine.last_error().cloned(),
            version: status.version + 1,
        };
        drop(status);
        self.signal.pending.notify_one();
    }
}

/// Sends a message; a peer that does not take it in time counts as gone.
async fn send(connection: &mut Connection, message: Message, config: &FeedConfig) -> Result<(), String> {
    let Connection::Open(socket) = connection else { return Ok(()) };
    match tokio::time::timeout(config.pong_timeout, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(socket::explain(&e)),
        Err(_) => Err("the server does not take what is sent to it".to_owned()),
    }
}

/// Closes a connection politely, without waiting for it.
fn farewell(connection: Connection) {
    if let Connection::Open(mut socket) = connection {
        tokio::spawn(async move {
            // Whether the goodbye arrives makes no difference to anyone here.
            // Without a status, servers take it for a broken connection and log it as one.
            let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            let _ = tokio::time::timeout(GOODBYE, (*socket).close(Some(normal))).await;
        });
    }
}
