//! What should be told, worked out slowly: every question is answered by looking at everything, with nothing kept that
//! could be computed. It knows nothing of how the engine works.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A notification as both sides name it: group, receiver, integration, and each alert with whether it is resolved.
pub(super) type Told = (String, String, u32, BTreeSet<(String, bool)>);

#[derive(Clone, Debug)]
struct Known {
    labels: Labels,
    start: i64,
    end: i64,
    timeout: bool,
    updated: i64,
    /// Acknowledged until then; `i64::MAX` for ever.
    ack: Option<i64>,
    /// When an acknowledgement ran out.
    repage: i64,
}

#[derive(Clone, Debug, Default)]
struct Hook {
    /// What it was last told: when, what as firing, what as resolved.
    log: Option<(i64, BTreeSet<String>, BTreeSet<String>)>,
    /// What it is being told, with both sets.
    busy: Option<Busy>,
    missed: bool,
    failed: bool,
}

#[derive(Clone, Debug)]
struct Busy {
    at: i64,
    firing: BTreeSet<String>,
    resolved: BTreeSet<String>,
    told: Told,
    resent: bool,
}

#[derive(Clone, Debug)]
struct Room {
    route: usize,
    receiver: String,
    next: i64,
    anchor: i64,
    flushed: bool,
    members: BTreeSet<String>,
    leaving: Vec<(String, i64)>,
    hooks: Vec<Hook>,
}

/// The slow engine.
pub(super) struct Oracle {
    plan: Arc<Plan>,
    alerts: BTreeMap<String, Known>,
    rooms: BTreeMap<String, Room>,
    /// What receivers of groups that are gone were told, by group, receiver and integration.
    gone: BTreeMap<(String, String, usize), Hook>,
    silences: Vec<(Matchers, i64, i64)>,
    /// What it expects to be told, since this was last taken.
    pub(super) expected: Vec<Told>,
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("a short duration")
}

impl Oracle {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            alerts: BTreeMap::new(),
            rooms: BTreeMap::new(),
            gone: BTreeMap::new(),
            silences: Vec::new(),
            expected: Vec::new(),
        }
    }

    fn silenced(&self, labels: &Labels, now: i64) -> bool {
        self.silences.iter().any(|(m, from, to)| *from <= now && now < *to && m.matches(labels))
    }

    fn inhibited(&self, labels: &Labels, now: i64) -> bool {
        self.plan.inhibit.iter().any(|rule| {
            self.alerts.values().any(|source| source.end > now && rule.inhibits(&source.labels, labels))
        })
    }

    /// Whether an alert is to be told as firing if the group is looked at now.
    pub(super) fn audible(&self, labels: &Labels, now: Timestamp) -> bool {
        let now = now.as_millis();
        !self.silenced(labels, now) && !self.inhibited(labels, now)
    }

    /// The groups an alert belongs to: route and name.
    fn homes(&self, labels: &Labels) -> Vec<(usize, String)> {
        let routes = self.plan.routes().matching(labels);
        routes
            .into_iter()
            .map(|id| {
                let route = self.plan.routes().get(id);
                let same =
                    self.plan.routes().iter().take_while(|r| r.id != id).filter(|r| r.key == route.key);
                let name = route.group_key(&route.group_labels(labels));
                let name = match same.count() {
                    0 => name,
                    n => format!("{name}#{n}"),
                };
                (id.0 as usize, name)
            })
            .collect()
    }

    fn room(&mut self, route: usize, name: &str, now: i64) -> &mut Room {
        let plan = Arc::clone(&self.plan);
        let gone = &mut self.gone;
        self.rooms.entry(name.to_owned()).or_insert_with(|| {
            let first = now + ms(plan.route(route).group_wait);
            let receiver = plan.receiver(route).name.to_string();
            let hooks = (0..plan.receiver(route).integrations.len())
                .map(|n| {
                    let known = gone.remove(&(name.to_owned(), receiver.clone(), n));
                    known.unwrap_or_default()
                })
                .collect();
            Room {
                route,
                receiver,
                next: first,
                anchor: first,
                flushed: false,
                members: BTreeSet::new(),
                leaving: Vec::new(),
                hooks,
            }
        })
    }

    fn enter(&mut self, name: &str, now: i64) {
        let Some(known) = self.alerts.get(name).cloned() else { return };
        for (route, home) in self.homes(&known.labels) {
            let wait = ms(self.plan.route(route).group_wait);
            let room = self.room(route, &home, now);
            room.members.insert(name.to_owned());
            if !room.flushed && known.start + wait < now {
                room.next = room.next.min(now);
            }
        }
    }

    pub(super) fn post(&mut self, posted: &PostedAlert, now: Timestamp) {
        let now = now.as_millis();
        let labels = Labels::from_pairs(posted.labels.clone());
        let name = labels.to_string();
        let timeout = posted.ends_at.is_none();
        let end = posted.ends_at.map_or(now + ms(self.plan.resolve_timeout), Timestamp::as_millis);
        let start = posted.starts_at.map_or(if timeout { now } else { end }, Timestamp::as_millis);
        if let Some(old) = self.alerts.get(&name).cloned() {
            let inside = |t: i64| t > old.start && t < old.end;
            let mut new = Known { start, end, timeout, updated: now, ..old.clone() };
            if inside(start) || inside(end) {
                new.start = start.min(old.start);
                let keeps = if end <= now { old.end <= now } else { !old.timeout };
                if old.end > end && keeps {
                    new.end = old.end;
                }
            }
            if new.end <= now && old.end <= now && (old.start, old.end) == (new.start, new.end) {
                return;
            }
            if old.end <= now || new.end <= now {
                new.ack = None;
                new.repage = i64::MIN;
            }
            self.alerts.insert(name.clone(), new);
        } else {
            let new = Known { labels, start, end, timeout, updated: now, ack: None, repage: i64::MIN };
            self.alerts.insert(name.clone(), new);
        }
        self.enter(&name, now);
    }

    pub(super) fn silence(&mut self, matchers: &str, from: Timestamp, to: Timestamp) {
        let matchers = Matchers::parse(matchers).expect("matchers");
        self.silences.push((matchers, from.as_millis(), to.as_millis()));
    }

    pub(super) fn end_silences(&mut self, now: Timestamp) {
        for silence in &mut self.silences {
            silence.2 = silence.2.min(now.as_millis());
        }
    }

    /// Acknowledges an alert that fires; whether it does.
    pub(super) fn acknowledge(&mut self, labels: &Labels, until: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(known) = self.alerts.get_mut(&labels.to_string()) else { return false };
        if known.end <= now.as_millis() {
            return false;
        }
        known.ack = Some(until.map_or(i64::MAX, Timestamp::as_millis));
        known.repage = i64::MIN;
        true
    }

    /// Does what is due.
    pub(super) fn step(&mut self, now: Timestamp) {
        let now = now.as_millis();
        let mut paged = BTreeSet::new();
        for (name, known) in &mut self.alerts {
            if known.end <= now {
                known.ack = None;
            } else if known.ack.is_some_and(|until| until <= now) {
                known.ack = None;
                known.repage = now;
                paged.insert(name.clone());
            }
        }
        for name in self.rooms.keys().cloned().collect::<Vec<_>>() {
            let room = self.rooms.get_mut(&name).expect("it is there");
            let mut looks = room.flushed && room.members.iter().any(|m| paged.contains(m));
            if room.next <= now {
                if !room.flushed {
                    room.flushed = true;
                    room.anchor = now;
                }
                let interval = ms(self.plan.route(room.route).group_interval);
                room.next = room.anchor;
                while room.next <= now {
                    room.next += interval;
                }
                looks = true;
            }
            if looks {
                self.look(&name, None, now);
            }
        }
    }

    fn look(&mut self, name: &str, only: Option<usize>, now: i64) {
        let Some(mut room) = self.rooms.remove(name) else { return };
        let known = |m: &String| &self.alerts[m];
        let resolved_all: Vec<&String> = room.members.iter().filter(|m| known(m).end <= now).collect();
        if only.is_none() {
            room.leaving = resolved_all.iter().map(|m| ((*m).clone(), known(m).updated)).collect();
        }
        let heard: Vec<&String> = room
            .members
            .iter()
            .filter(|m| !self.silenced(&known(m).labels, now) && !self.inhibited(&known(m).labels, now))
            .collect();
        let pick = |test: &dyn Fn(&Known) -> bool| -> BTreeSet<String> {
            heard.iter().filter(|m| test(known(m))).map(|m| (*m).clone()).collect()
        };
        let firing = pick(&|k| k.end > now);
        let free = pick(&|k| k.end > now && k.ack.is_none());
        let resolved = pick(&|k| k.end <= now);
        let repage = free.iter().map(|m| known(m).repage).max().unwrap_or(i64::MIN);
        let repeat = ms(self.plan.route(room.route).repeat_interval);
        for (n, spec) in self.plan.receiver(room.route).integrations.iter().enumerate() {
            if only.is_some_and(|only| only != n) {
                continue;
            }
            let hook = &mut room.hooks[n];
            if hook.busy.is_some() {
                hook.missed = true;
                continue;
            }
            let due = match &hook.log {
                None => !free.is_empty(),
                Some((when, f, r)) => {
                    !free.is_subset(f)
                        || if firing.is_empty() {
                            !f.is_empty()
                        } else {
                            spec.send_resolved && !resolved.is_subset(r)
                                || repage > *when
                                || !free.is_empty() && *when < now - repeat
                        }
                }
            };
            hook.failed &= due;
            if !due {
                continue;
            }
            let mut says: BTreeSet<(String, bool)> = firing.iter().map(|m| (m.clone(), false)).collect();
            if spec.send_resolved {
                says.extend(resolved.iter().map(|m| (m.clone(), true)));
            }
            if says.is_empty() {
                hook.log = Some((now, firing.clone(), resolved.clone()));
                hook.failed = false;
                continue;
            }
            let told = (name.to_owned(), room.receiver.clone(), spec.index, says);
            self.expected.push(told.clone());
            hook.busy = Some(Busy {
                at: now,
                firing: firing.clone(),
                resolved: resolved.clone(),
                told,
                resent: false,
            });
        }
        self.rooms.insert(name.to_owned(), room);
        self.tidy(name, now);
    }

    /// Lets resolved alerts go that everybody was told of.
    fn tidy(&mut self, name: &str, now: i64) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if room.hooks.iter().any(|h| h.busy.is_some() || h.failed) {
            return;
        }
        for (member, updated) in std::mem::take(&mut room.leaving) {
            let known = &self.alerts[&member];
            if known.end <= now && known.updated == updated {
                room.members.remove(&member);
            }
        }
        if room.members.is_empty() {
            let room = self.rooms.remove(name).expect("it is there");
            self.bury(name, room);
        }
    }

    fn bury(&mut self, name: &str, room: Room) {
        for (n, hook) in room.hooks.into_iter().enumerate() {
            let hook = Hook { log: hook.log, busy: hook.busy, ..Hook::default() };
            self.gone.insert((name.to_owned(), room.receiver.clone(), n), hook);
        }
    }

    /// What became of a notification.
    pub(super) fn outcome(&mut self, name: &str, receiver: &str, n: usize, delivered: bool, now: Timestamp) {
        let now = now.as_millis();
        let room = self.rooms.get_mut(name).filter(|room| room.receiver == receiver);
        let Some(hook) = room.and_then(|room| room.hooks.get_mut(n)).filter(|hook| hook.busy.is_some())
        else {
            let gone = self.gone.get_mut(&(name.to_owned(), receiver.to_owned(), n));
            if let Some((hook, busy)) = gone.and_then(|hook| hook.busy.take().map(|busy| (hook, busy)))
                && delivered
            {
                hook.log = Some((now, busy.firing, busy.resolved));
            }
            return;
        };
        let Some(busy) = hook.busy.take() else { return };
        if delivered {
            hook.log = Some((now, busy.firing, busy.resolved));
            hook.failed = false;
        } else {
            hook.failed = true;
        }
        if std::mem::take(&mut hook.missed) {
            self.look(name, Some(n), now);
        } else {
            self.tidy(name, now);
        }
    }

    /// Another configuration, timers kept.
    pub(super) fn reload(&mut self, plan: Arc<Plan>, now: Timestamp) {
        let now = now.as_millis();
        let intervals: Vec<i64> = self.plan.routes().iter().map(|r| ms(r.group_interval)).collect();
        let mut old = std::mem::take(&mut self.rooms);
        self.plan = plan;
        let members: BTreeMap<String, BTreeSet<String>> =
            old.iter().map(|(n, room)| (n.clone(), room.members.clone())).collect();
        // Known in the order of fingerprints or of anything else: no answer depends on it.
        for name in self.alerts.keys().cloned().collect::<Vec<_>>() {
            let known = self.alerts[&name].clone();
            for (route, home) in self.homes(&known.labels) {
                let held = members.get(&home).is_some_and(|m| m.contains(&name));
                if known.end <= now && !held {
                    continue;
                }
                let fresh = !self.rooms.contains_key(&home);
                let wait = ms(self.plan.route(route).group_wait);
                let interval = ms(self.plan.route(route).group_interval);
                self.room(route, &home, now);
                let was = if fresh { old.remove(&home) } else { None };
                let room = self.rooms.get_mut(&home).expect("it was made");
                let mut left = None;
                if let Some(was) = was {
                    if was.receiver == room.receiver {
                        for (hook, old) in room.hooks.iter_mut().zip(&was.hooks) {
                            *hook = old.clone();
                        }
                    } else {
                        left = Some(was.clone());
                    }
                    room.flushed = was.flushed;
                    room.next = was.next;
                    room.anchor = if intervals[was.route] == interval { was.anchor } else { was.next };
                    room.leaving = was.leaving;
                }
                room.members.insert(name.clone());
                if !room.flushed && known.start + wait < now {
                    room.next = room.next.min(now);
                }
                if let Some(left) = left {
                    self.bury(&home, left);
                }
            }
        }
        for (name, room) in old {
            self.bury(&name, room);
        }
    }

    /// The engine died; it wrote last at `alive`. What was under way is told once more.
    pub(super) fn restart(&mut self, alive: Timestamp, now: Timestamp) {
        let (alive, now) = (alive.as_millis(), now.as_millis());
        for room in self.rooms.values_mut() {
            room.leaving.clear();
            let interval = ms(self.plan.route(room.route).group_interval);
            if room.flushed {
                // The first tick that may not have been done.
                room.next = room.anchor;
                while room.next <= alive {
                    room.next += interval;
                }
            }
            room.next = room.next.max(now);
            for hook in &mut room.hooks {
                hook.failed = false;
                hook.missed = false;
                let Some(busy) = &mut hook.busy else { continue };
                if busy.resent {
                    // Nobody knows, and it was repeated already: the group's next look tells anew.
                    hook.failed = true;
                    hook.busy = None;
                    continue;
                }
                busy.resent = true;
                let mut tick = room.anchor;
                while tick <= busy.at {
                    tick += interval;
                }
                hook.missed = room.flushed && tick <= now;
                self.expected.push(busy.told.clone());
            }
        }
        for hook in self.gone.values_mut() {
            hook.busy = None;
        }
    }

    /// What a receiver knows as firing of the groups that hold an alert, for each of its integrations.
    pub(super) fn knows(&self, labels: &Labels) -> Vec<bool> {
        let name = labels.to_string();
        self.homes(labels)
            .into_iter()
            .flat_map(|(_, home)| {
                let hooks = self.rooms.get(&home).map(|room| room.hooks.clone()).unwrap_or_default();
                let name = name.clone();
                hooks.into_iter().map(move |h| h.log.is_some_and(|(_, firing, _)| firing.contains(&name)))
            })
            .collect()
    }

    /// Labels of alerts that fire.
    pub(super) fn firing(&self, now: Timestamp) -> Vec<Labels> {
        self.alerts.values().filter(|k| k.end > now.as_millis()).map(|k| k.labels.clone()).collect()
    }
}
