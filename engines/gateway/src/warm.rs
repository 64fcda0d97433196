//! Warming: paths that are asked for before callers do, at the start, behind a purge and before their answers' time is over.

mod fetch;
mod hand;
mod origin;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

pub(crate) use self::fetch::Own;
use self::fetch::{Fetched, fetch};
pub(crate) use self::origin::Origin;
use crate::clock;
use crate::filters::cache::Answers;
use crate::handle::Control;
use crate::model::WarmingView;
use crate::table::Table;

/// So many are asked for at a time.
const AT_ONCE: usize = 4;
/// The shortest time between two fetches of the same.
const SHORTEST: Duration = Duration::from_millis(100);
/// It is fetched so much before its answer's time is over, if that is long enough.
const LEAST_AHEAD: Duration = Duration::from_millis(300);
/// How soon one that failed is tried again; doubled with every further failure, up to the most.
const AGAIN: Duration = Duration::from_secs(2);
const LONGEST_AGAIN: Duration = Duration::from_secs(60);

/// What there is to show, by route.
pub(crate) type Board = Mutex<HashMap<Arc<str>, WarmingView>>;

/// Keeps paths warm.
#[derive(Debug)]
pub(crate) struct Warmer {
    control: Arc<Control>,
    tasks: Vec<Task>,
    running: usize,
    told: (mpsc::Sender<Told>, mpsc::Receiver<Told>),
    /// The cache that they are in, and its purges that have been looked at.
    seen: Option<(Arc<Answers>, u64)>,
}

/// What came of one, and when.
type Told = (Key, Result<Fetched, String>, Duration);

#[derive(Clone, Debug, PartialEq)]
struct Key {
    route: Arc<str>,
    origin: Origin,
    path: String,
}

#[derive(Debug)]
struct Task {
    key: Key,
    every: Option<Duration>,
    due: Duration,
    running: bool,
    /// It was purged while it was on its way.
    again: bool,
    failures: u32,
    kept: bool,
    problem: Option<String>,
}

impl Task {
    fn new(key: Key, every: Option<Duration>) -> Self {
        Self {
            key,
            every,
            due: Duration::ZERO,
            running: false,
            again: false,
            failures: 0,
            kept: false,
            problem: None,
        }
    }

    /// What came of it, and when it is asked for next.
    fn tell(&mut self, fetched: Result<Fetched, String>, came: Duration) {
        self.running = false;
        let every = self.every.unwrap_or(LONGEST_AGAIN);
        let wait = match fetched {
            Ok(fetched) => {
                self.kept = fetched.fresh.is_some();
                self.problem = fetched.problem();
                // Before its time is over, by a tenth of it, by twice what it takes, and by what a look at the clock takes.
                let before =
                    |fresh: Duration| (fresh / 10).max(fetched.took * 2).max(LEAST_AHEAD).min(fresh / 2);
                let fresh = fetched.fresh.map(|fresh| fresh - before(fresh));
                match (&self.problem, fresh) {
                    (_, Some(fresh)) => self.every.map_or(fresh, |every| every.min(fresh)),
                    (Some(_), None) if fetched.status >= 400 => self.backoff(),
                    _ => every,
                }
            }
            Err(why) => {
                self.kept = false;
                self.problem = Some(why);
                self.backoff()
            }
        };
        if self.problem.is_none() {
            self.failures = 0;
        }
        let wait = if std::mem::take(&mut self.again) { Duration::ZERO } else { wait.max(SHORTEST) };
        self.due = came + wait;
    }

    fn backoff(&mut self) -> Duration {
        let wait = AGAIN.saturating_mul(1 << self.failures.min(8)).min(LONGEST_AGAIN);
        self.failures += 1;
        wait
    }
}

impl Warmer {
    /// Warms nothing yet.
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self { control, tasks: Vec::new(), running: 0, told: mpsc::channel(64), seen: None }
    }

    /// Warms what a table names; what is warm already stays so.
    pub(crate) fn follow(&mut self, table: &Table) {
        let mut old = std::mem::take(&mut self.tasks);
        let mut board = HashMap::new();
        let listeners = self.control.listeners();
        for route in &table.routes {
            let Some(rule) = route.cache.as_ref().filter(|rule| !rule.warm.is_empty()) else { continue };
            let mut view = WarmingView { paths: rule.warm.len(), ..WarmingView::default() };
            let named: Vec<Origin> = rule.warm_as.iter().filter_map(|text| Origin::read(text)).collect();
            let origins = match named.is_empty() {
                true => Origin::of(table.config.routes.get(&*route.name), &listeners),
                false => Ok(named),
            };
            for origin in origins.unwrap_or_else(|why| {
                view.problem = Some(why);
                Vec::new()
            }) {
                for path in &rule.warm {
                    let key =
                        Key { route: Arc::clone(&route.name), origin: origin.clone(), path: path.clone() };
                    let task = match old.iter().position(|task| task.key == key) {
                        Some(place) => Task { every: rule.warm_every, ..old.swap_remove(place) },
                        None => Task::new(key, rule.warm_every),
                    };
                    self.tasks.push(task);
                }
            }
            board.insert(Arc::clone(&route.name), view);
        }
        *self.control.warming.lock() = board;
        self.show();
    }

    /// Asks for what is due, and takes what came. True if there is something new to show.
    pub(crate) fn tick(&mut self) -> bool {
        let now = clock::now();
        let mut changed = false;
        while let Ok((key, fetched, came)) = self.told.1.try_recv() {
            self.running -= 1;
            changed = true;
            if let Some(task) = self.tasks.iter_mut().find(|task| task.key == key) {
                task.tell(fetched, came);
            }
        }
        if self.tasks.is_empty() {
            return changed;
        }
        self.look_at_purges(now);
        for task in &mut self.tasks {
            if self.running == AT_ONCE {
                break;
            }
            if task.running || task.due > now {
                continue;
            }
            task.running = true;
            self.running += 1;
            changed = true;
            let (worker, key, tell) = (Arc::clone(&self.control.own), task.key.clone(), self.told.0.clone());
            tokio::spawn(async move {
                let fetched = fetch(&worker, &key.route, &key.origin, &key.path).await;
                // When nobody listens any more the engine has ended.
                let _ = tell.send((key, fetched, clock::now())).await;
            });
        }
        if changed {
            self.show();
        }
        changed
    }

    /// What was purged is due; so is everything where the cache is another.
    fn look_at_purges(&mut self, now: Duration) {
        let answers = self.control.shared.answers();
        let newest = answers.purges();
        let since = match &self.seen {
            Some((seen, generation)) if Arc::ptr_eq(seen, &answers) => Some(*generation),
            _ => None,
        };
        if since == Some(newest) {
            return;
        }
        let first = self.seen.is_none();
        for task in &mut self.tasks {
            let key = &task.key;
            let url = format!("{}{}", key.origin.host.to_str().unwrap_or_default(), key.path);
            if !first && since.is_none_or(|since| answers.purged(since, &key.route, &url)) {
                task.due = now;
                task.again = task.running;
                task.kept = false;
            }
        }
        self.seen = Some((answers, newest));
    }

    fn show(&self) {
        let mut board = self.control.warming.lock();
        for (route, view) in board.iter_mut() {
            let own = || self.tasks.iter().filter(|task| task.key.route == *route);
            if own().next().is_none() {
                continue;
            }
            *view = WarmingView {
                paths: own().count(),
                kept: own().filter(|task| task.kept).count(),
                running: own().filter(|task| task.running).count(),
                problem: own().find_map(|task| {
                    let problem = task.problem.as_ref()?;
                    Some(format!("{} as {}: {problem}", task.key.path, task.key.origin))
                }),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn it_is_fetched_before_its_time_is_over_and_later_and_later_when_it_fails() {
        let second = Duration::from_secs;
        let origin = Origin { tls: false, host: HeaderValue::from_static("a.test") };
        let key = Key { route: "r".into(), origin, path: "/".to_owned() };
        let kept = |fresh| Fetched { status: 200, fresh, took: Duration::from_millis(10) };
        let mut task = Task::new(key.clone(), None);
        task.tell(Ok(kept(Some(second(100)))), second(5));
        assert_eq!((task.due, task.kept), (second(95), true));
        task.tell(Ok(kept(Some(second(1)))), Duration::ZERO);
        assert_eq!(task.due, Duration::from_millis(700));
        task.tell(Ok(kept(None)), Duration::ZERO);
        assert_eq!((task.due, task.kept, task.problem.is_some()), (LONGEST_AGAIN, false, true));
        for wait in [2, 4, 8, 16, 32, 60, 60] {
            task.tell(Err("down".to_owned()), Duration::ZERO);
            assert_eq!((task.due, task.kept), (second(wait), false));
        }
        task.tell(Ok(kept(Some(second(100)))), Duration::ZERO);
        assert_eq!((task.failures, &task.problem), (0, &None));
        let mut task = Task { again: true, ..Task::new(key, Some(second(10))) };
        task.tell(Ok(kept(Some(second(100)))), second(1));
        assert_eq!(task.due, second(1), "it was purged meanwhile");
        task.tell(Ok(kept(Some(second(100)))), second(1));
        assert_eq!(task.due, second(11));
    }
}
