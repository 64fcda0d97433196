//! A connection of HTTP/1.1 to an endpoint. It is driven by whoever waits for what comes over it, within that one's own task: a
//! task of its own would have to be woken for the request, and would have to wake for the answer, each time.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::future::poll_fn;
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use crate::body::RequestBody;
use crate::io::Stream;

/// Both ends of a connection: requests are given to one, the other reads and writes.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    driver: Driver,
}

/// What reads and writes. It ends with who holds this: by itself it would first want to get rid of what it still has to
/// write, which an endpoint that has stopped reading never takes, and hold the caller's body until then.
#[derive(Debug)]
enum Driver {
    /// Whoever waits.
    Waiting(Box<http1::Connection<TokioIo<Stream>, RequestBody>>),
    /// A task of its own: for what goes on while nobody waits.
    Task(Task),
    /// It has ended, or goes on without anybody.
    Gone,
}

#[derive(Debug)]
struct Task(Option<AbortHandle>);

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Driver {
    /// Reads and writes what can be, and wakes when there is more to do.
    fn poll(&mut self, cx: &mut Context<'_>) {
        let Self::Waiting(connection) = self else { return };
        if let Poll::Ready(ended) = Pin::new(connection.as_mut()).poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to an endpoint ended badly");
            }
            *self = Self::Gone;
        }
    }
}

/// A look at what the driver has brought: nobody is to be woken for that, for it is looked at again whenever the driver ran.
fn unheard() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

pin_project_lite::pin_project! {
    /// A request under way. By hand rather than as a function: what it holds would lie in one twice, and what holds it is moved
    /// with every request.
    struct Asking<'a, F> {
        #[pin]
        asked: F,
        driver: &'a mut Driver,
    }
}

impl<F: Future> Future for Asking<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !matches!(this.driver, Driver::Waiting(_)) {
            return this.asked.poll(cx);
        }
        this.driver.poll(cx);
        let answered = this.asked.poll(&mut unheard());
        // What has used up its turn says that there is nothing, and means that it wants to be asked again.
        if answered.is_pending() && !tokio::task::coop::has_budget_remaining() {
            cx.waker().wake_by_ref();
        }
        answered
    }
}

impl Connection {
    /// Shakes hands over a stream.
    pub(crate) async fn new(stream: Stream) -> hyper::Result<Self> {
        let (sender, driver) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver: Driver::Waiting(Box::new(driver)) })
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) fn ask(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
        Asking { asked: self.sender.try_send_request(request), driver: &mut self.driver }
    }

    /// The next part of an answer that comes over this connection.
    pub(crate) fn poll_body(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if matches!(self.driver, Driver::Waiting(_)) {
            if let Poll::Ready(part) = Pin::new(&mut *incoming).poll_frame(&mut unheard()) {
                return Poll::Ready(part);
            }
            self.driver.poll(cx);
            if matches!(self.driver, Driver::Waiting(_)) {
                return Pin::new(incoming).poll_frame(&mut unheard());
            }
        }
        Pin::new(incoming).poll_frame(cx)
    }

    /// Gives the connection a task of its own, which also lets the protocol be switched.
    pub(crate) fn detach(&mut self) {
        match std::mem::replace(&mut self.driver, Driver::Gone) {
            Driver::Waiting(connection) => {
                let task = tokio::spawn(async move {
                    if let Err(error) = connection.with_upgrades().await {
                        tracing::debug!(%error, "a connection to an endpoint ended badly");
                    }
                });
                self.driver = Driver::Task(Task(Some(task.abort_handle())));
            }
            other => self.driver = other,
        }
    }

    /// Goes on without anybody.
    pub(crate) fn leave(mut self) {
        self.detach();
        if let Driver::Task(task) = &mut self.driver {
            task.0 = None;
        }
    }

    /// Looks whether the endpoint has closed it, or sent what nobody has asked for.
    pub(crate) fn look(&mut self) {
        self.driver.poll(&mut unheard());
    }

    /// Whether it takes a request at once.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until it takes a request. False if it never will.
    pub(crate) async fn ready(&mut self) -> bool {
        poll_fn(|cx| {
            self.driver.poll(cx);
            self.sender.poll_ready(cx)
        })
        .await
        .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection to an endpoint that answers each request with the next of these, and sends what is left of them unasked.
    async fn connected(answers: Vec<Vec<u8>>, asked: usize) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody calls");
            let mut buffer = [0; 4096];
            for (n, answer) in answers.into_iter().enumerate() {
                if n < asked {
                    let _ = stream.read(&mut buffer).await;
                } else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                let _ = stream.write_all(&answer).await;
            }
        });
        let stream = TcpStream::connect(address).await.expect("it listens");
        Connection::new(Stream::from(stream)).await.expect("it shakes hands")
    }

    fn request() -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        request.headers_mut().insert(hyper::header::HOST, hyper::header::HeaderValue::from_static("a"));
        request
    }

    async fn answer(connection: &mut Connection) -> Result<Vec<u8>, String> {
        let response = connection.ask(request()).await.map_err(|failed| failed.error().to_string())?;
        let (mut incoming, mut whole) = (response.into_body(), Vec::new());
        while let Some(part) = poll_fn(|cx| connection.poll_body(&mut incoming, cx)).await {
            whole.extend_from_slice(part.map_err(|e| e.to_string())?.data_ref().unwrap_or(&Bytes::new()));
        }
        Ok(whole)
    }

    async fn until_closed(mut connection: Connection) -> Connection {
        for _ in 0..2000 {
            connection.look();
            if connection.is_closed() {
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is still open");
    }

    #[tokio::test]
    async fn one_request_after_the_other_with_whatever_length_of_answer() {
        let mut large = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..300 {
            large.extend_from_slice(format!("1000\r\n{}\r\n", "x".repeat(0x1000)).as_bytes());
        }
        large.extend_from_slice(b"0\r\n\r\n");
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab".to_vec();
        let none = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
        let last = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end".to_vec();
        let mut connection = connected(vec![short.clone(), large, none, short, last], 5).await;
        for length in [2, 300 * 0x1000, 0, 2] {
            assert_eq!(answer(&mut connection).await.map(|body| body.len()), Ok(length));
            assert!(connection.is_ready(), "after {length} bytes");
        }
        // The same by a task of its own.
        connection.detach();
        assert_eq!(answer(&mut connection).await, Ok(b"to the end".to_vec()));
        until_closed(connection).await;
    }

    #[tokio::test]
    async fn what_comes_unasked_is_nobodys_answer() {
        let answers = vec![
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab".to_vec(),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray".to_vec(),
        ];
        let mut connection = connected(answers.clone(), 1).await;
        assert_eq!(answer(&mut connection).await, Ok(b"ab".to_vec()));
        let mut connection = until_closed(connection).await;
        let mut failed = connection.ask(request()).await.expect_err("it is closed");
        assert!(failed.take_message().is_some(), "nothing of the request has gone out");
        // The same in one piece with the answer before it.
        let mut connection = connected(vec![answers.concat()], 1).await;
        assert_eq!(answer(&mut connection).await, Ok(b"ab".to_vec()));
        until_closed(connection).await;
    }
}
