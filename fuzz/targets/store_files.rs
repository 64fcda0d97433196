//! Segment, log and catalogue files with bytes flipped, cut off, doubled or overwritten: the store opens, serves only
//! what was put into it, and says so when something of that is missing.
#![no_main]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use quarterdeck_kernel::{Labels, MatchOp, Matcher, Timestamp};
use quarterdeck_metrics::store::files::{Files, ReadFile, WriteFile};
use quarterdeck_metrics::{Incoming, Ingest, MetricsConfig, OpenError, Store};
use quarterdeck_promql::storage::{Budget, Storage};

type Content = Arc<Mutex<Vec<u8>>>;

/// Files in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<PathBuf, Content>>>);

struct File(Content);

impl WriteFile for File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.lock().expect("a lock").truncate(len as usize);
        Ok(())
    }
}

impl ReadFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().expect("a lock").len() as u64)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.0.lock().expect("a lock");
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Memory {
    fn get(&self, path: &Path) -> io::Result<Content> {
        self.0.lock().expect("a lock").get(path).cloned().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Files for Memory {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteFile>> {
        let content = Content::default();
        self.0.lock().expect("a lock").insert(path.to_owned(), Arc::clone(&content));
        Ok(Arc::new(File(content)))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(File(self.get(path)?)))
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let files = self.0.lock().expect("a lock");
        let inside = files.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.0.lock().expect("a lock");
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let gone = self.0.lock().expect("a lock").remove(path);
        gone.map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.get(path)?.lock().expect("a lock").truncate(len as usize);
        Ok(())
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

type Samples = BTreeMap<String, Vec<(i64, u64)>>;

/// Two segments, a catalogue and a log, byte by byte, and what is in them.
fn pristine() -> &'static (BTreeMap<PathBuf, Vec<u8>>, Samples) {
    static PRISTINE: OnceLock<(BTreeMap<PathBuf, Vec<u8>>, Samples)> = OnceLock::new();
    PRISTINE.get_or_init(|| {
        let files = Memory::default();
        let store = open(&files).expect("an empty folder");
        let labels = |i: usize| Labels::from_pairs([("__name__", format!("m{}", i % 3)), ("i", i.to_string())]);
        let series: Vec<_> = (0..7).map(|i| store.resolve(&labels(i)).expect("a series")).collect();
        for step in 0..90i64 {
            let sample = |(i, series): (usize, &_)| Incoming {
                series: *series,
                t: Timestamp::from_millis(step * 15_000 + i as i64),
                v: if i % 2 == 0 { (step * i as i64) as f64 } else { (step as f64 * 0.7 + i as f64).sin() },
            };
            let batch: Vec<Incoming> = series.iter().enumerate().map(sample).collect();
            store.append(&batch).expect("room");
            if step == 30 || step == 60 {
                store.seal().expect("sealed");
            }
        }
        let held = found(&store);
        // As a kill leaves it: what has been appended is in the files, nothing is sealed at the end.
        let image = files.0.lock().expect("a lock");
        let image = image.iter().map(|(path, content)| (path.clone(), content.lock().expect("a lock").clone()));
        (image.collect(), held)
    })
}

fn open(files: &Memory) -> Result<Store, OpenError> {
    Store::open_with(Arc::new(files.clone()), Path::new("store"), MetricsConfig::default())
}

fn found(store: &Store) -> Samples {
    let all = Matcher::new(MatchOp::Regex, "__name__", ".*").expect("a matcher");
    let (from, to) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    let series = store.select(&[all], from, to, &Budget::unbounded()).expect("readable");
    let bits = |s: &quarterdeck_kernel::Sample| (s.t.as_millis(), s.v.to_bits());
    series.into_iter().map(|s| (s.labels.to_string(), s.samples.iter().map(bits).collect())).collect()
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (image, held) = pristine();
    let mut image = image.clone();
    let paths: Vec<PathBuf> = image.keys().cloned().collect();
    // A log that ends where a batch ends is a whole log: nobody can tell that there was more.
    let mut may_be_silent = false;
    for damage in input.chunks_exact(6).take(4) {
        let path = &paths[usize::from(damage[0]) % paths.len()];
        let Some(bytes) = image.get_mut(path).filter(|bytes| !bytes.is_empty()) else { continue };
        let at = usize::from(u16::from_le_bytes([damage[2], damage[3]])) % bytes.len();
        let end = (at + 1 + usize::from(damage[4])).min(bytes.len());
        match damage[1] % 4 {
            0 => bytes[at] ^= damage[5].max(1),
            1 => {
                bytes.truncate(at);
                may_be_silent |= path.extension().is_some_and(|e| e == "log");
            }
            2 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(end..end, copy);
            }
            _ => bytes[at..end].fill(damage[5]),
        }
    }
    let content = |(path, bytes): (PathBuf, Vec<u8>)| (path, Content::new(Mutex::new(bytes)));
    let files = Memory(Arc::new(Mutex::new(image.into_iter().map(content).collect())));
    let store = match open(&files) {
        Ok(store) => store,
        Err(OpenError::Newer { .. }) => return,
        Err(error) => panic!("damage keeps the store from opening: {error}"),
    };
    let served = found(&store);
    for (labels, samples) in &served {
        let known = held.get(labels).unwrap_or_else(|| panic!("a series that nobody wrote: {labels}"));
        for sample in samples {
            assert!(known.binary_search(sample).is_ok(), "{labels}: a sample that nobody wrote: {sample:?}");
        }
    }
    let _ = store.verify();
    if served != *held && !may_be_silent {
        assert!(!store.stats().damage.is_empty(), "samples are missing and nobody says so");
    }
});
