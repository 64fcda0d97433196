//! What the tests share: a metrics store in memory, a running engine, a WebSocket server.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quarterdeck_kernel::{Labels, SystemClock};
use quarterdeck_metrics::ingest::{
    AppendReport, Exemplar, Incoming, Ingest, IngestError, Metadata, SeriesId,
};
use quarterdeck_streams::{Config, Engine, FeedConfig, FeedView, Handle, Snapshot};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;

/// A store that keeps everything.
#[derive(Default)]
pub(crate) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    series: Vec<Labels>,
    samples: Vec<(usize, f64)>,
    described: BTreeMap<String, Metadata>,
}

impl Memory {
    /// The newest value of every series, by its labels as text.
    pub(crate) fn newest(&self) -> BTreeMap<String, f64> {
        let inner = self.inner.lock();
        inner.samples.iter().map(|(series, v)| (inner.series[*series].to_string(), *v)).collect()
    }

    pub(crate) fn labels(&self) -> Vec<Labels> {
        self.inner.lock().series.clone()
    }

    pub(crate) fn described(&self) -> BTreeMap<String, Metadata> {
        self.inner.lock().described.clone()
    }
}

impl Ingest for Memory {
    fn resolve(&self, labels: &Labels) -> Result<SeriesId, IngestError> {
        let mut inner = self.inner.lock();
        let at = inner.series.iter().position(|l| l == labels).unwrap_or_else(|| {
            inner.series.push(labels.clone());
            inner.series.len() - 1
        });
        Ok(SeriesId(at as u64))
    }

    fn append(&self, samples: &[Incoming]) -> Result<AppendReport, IngestError> {
        let mut inner = self.inner.lock();
        inner.samples.extend(samples.iter().map(|s| (s.series.0 as usize, s.v)));
        Ok(AppendReport { taken: samples.len(), ..AppendReport::default() })
    }

    fn describe(&self, metric: &str, metadata: &Metadata) {
        self.inner.lock().described.insert(metric.to_owned(), metadata.clone());
    }

    fn exemplar(&self, _: SeriesId, _: Exemplar) {}
}

/// An engine that runs until it is dropped or stopped.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) store: Arc<Memory>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Runs one feed named `quotes`.
    pub(crate) fn feed(config: FeedConfig) -> Self {
        Self::start(Config::from([("quotes".to_owned(), config)]))
    }

    pub(crate) fn start(config: Config) -> Self {
        let store = Arc::new(Memory::default());
        let ingest: Arc<dyn Ingest> = Arc::clone(&store) as _;
        let (engine, handle) =
            Engine::new(config, ingest, Arc::new(SystemClock)).expect("a valid configuration");
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(engine.run(async {
            let _ = stopped.await;
        }));
        Self { handle, store, stop: Some(stop), task }
    }

    /// Waits until the feed `quotes` is as wanted; fails with what it is after ten seconds.
    pub(crate) async fn until(&self, wanted: impl Fn(&FeedView) -> bool) -> Arc<FeedView> {
        self.until_snapshot(|s| s.feed("quotes").is_some_and(|f| wanted(f)))
            .await
            .feed("quotes")
            .cloned()
            .expect("the feed")
    }

    pub(crate) async fn until_snapshot(&self, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.handle.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(10), snapshots.wait_for(|s| wanted(s))).await;
        if let Ok(Ok(snapshot)) = waited {
            return Arc::clone(&snapshot);
        }
        let feeds = self.handle.snapshot().feeds.clone();
        let told: Vec<_> = feeds.iter().map(|f| (&f.name, f.state, f.stats, &f.last_error)).collect();
        panic!("did not happen within ten seconds: {told:#?}");
    }

    /// Waits until the store is as wanted.
    pub(crate) async fn until_stored(
        &self,
        wanted: impl Fn(&BTreeMap<String, f64>) -> bool,
    ) -> BTreeMap<String, f64> {
        for _ in 0..200 {
            let newest = self.store.newest();
            if wanted(&newest) {
                return newest;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("was not stored within ten seconds: {:#?}", self.store.newest());
    }

    pub(crate) async fn stop(mut self) -> Arc<Memory> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        (&mut self.task).await.expect("the engine ends well");
        Arc::clone(&self.store)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server that answers every TCP connection with a task of its own; returns its `ws://` address.
pub(crate) async fn tcp_server<F>(answer: impl Fn(TcpStream, usize) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((stream, _)) = listener.accept().await {
            count += 1;
            tokio::spawn(answer(stream, count));
        }
    });
    format!("ws://{address}/feed")
}

/// A server that answers every WebSocket connection with a task of its own, told which connection it is from 1.
pub(crate) async fn server<F>(
    answer: impl Fn(WebSocketStream<TcpStream>, usize) -> F + Send + Sync + 'static,
) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let answer = Arc::new(answer);
    tcp_server(move |stream, count| {
        let answer = Arc::clone(&answer);
        async move {
            if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                answer(socket, count).await;
            }
        }
    })
    .await
}

/// Keeps a connection open, answering pings, until the other side goes.
pub(crate) async fn hold(mut socket: WebSocketStream<TcpStream>) {
    use futures_util::StreamExt as _;
    while let Some(Ok(_)) = socket.next().await {}
}

/// A feed that tries again quickly.
pub(crate) fn feed(url: &str) -> FeedConfig {
    let mut feed = FeedConfig::new(url);
    feed.backoff.min = Duration::from_millis(20);
    feed.backoff.max = Duration::from_millis(50);
    feed
}
