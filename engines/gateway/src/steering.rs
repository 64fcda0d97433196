//! Steering: what is added to a service as configured while traffic runs. Versions that no configuration names, shares,
//! header routes and a copy, in force together from one request to the next. Deployment control stands on it.

use std::collections::BTreeMap;

use hyper::header::{HeaderName, HeaderValue};
use quarterdeck_kernel::Reason;
use quarterdeck_kernel::suggest::nearest;

use crate::config::oneline::is_name;
use crate::config::validate::LARGEST_SHARE;
use crate::config::{OneOrMany, ServiceConfig, VersionRoute};
use crate::handle::Handle;
use crate::table::Table;

/// What is added to a service as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steering {
    /// Endpoints by version: added to the configured versions, or in the place of one of the same name. They take requests at
    /// once, before the first check of their health.
    pub versions: BTreeMap<String, Vec<String>>,
    /// Shares by version, in any unit; versions that are not named take none. Empty: as operators or the configuration set
    /// them.
    pub shares: Vec<(String, u32)>,
    /// Requests with this very header go to that version whatever the shares are, on all routes of the service.
    pub header_routes: Vec<VersionRoute>,
    /// Where a copy of requests goes, beside those that the routes themselves send.
    pub mirror: Option<SteeredMirror>,
}

/// Where copies go, and of how many requests.
#[derive(Clone, Debug, PartialEq)]
pub struct SteeredMirror {
    /// The version.
    pub version: String,
    /// How many of a hundred requests are copied, from 0 to 100.
    pub percent: f64,
}

impl Steering {
    /// The service as it is with this.
    ///
    /// # Errors
    /// What does not fit, for people.
    pub(crate) fn applied(&self, name: &str, configured: &ServiceConfig) -> Result<ServiceConfig, String> {
        let mut service = configured.clone();
        for (version, endpoints) in &self.versions {
            if !is_name(version) {
                return Err(format!(
                    "{version:?} is not a name for a version of {name}: write letters, digits, -, _ and ."
                ));
            }
            if endpoints.is_empty() {
                return Err(format!(
                    "{name} {version} is to be steered without an endpoint: give at least one"
                ));
            }
            for endpoint in endpoints {
                crate::table::endpoint(endpoint).map_err(|why| format!("{name} {version}: {why}"))?;
            }
            service.versions.insert(version.clone(), OneOrMany::Many(endpoints.clone()));
        }
        for (version, share) in &self.shares {
            // A version that takes nothing may be gone.
            if *share > 0 {
                there(name, &service, version)?;
            }
            if *share > LARGEST_SHARE {
                return Err(format!("{name} {version}: a share is from 0 to {LARGEST_SHARE}, not {share}"));
            }
        }
        if !self.shares.is_empty() && self.shares.iter().all(|(_, share)| *share == 0) {
            return Err(format!("no version of {name} would take anything: give one a share above 0"));
        }
        for route in &self.header_routes {
            there(name, &service, &route.version)?;
            if HeaderName::from_bytes(route.header.as_bytes()).is_err() {
                return Err(format!("{:?} is not a name for a header", route.header));
            }
            if HeaderValue::from_str(&route.value).is_err() {
                return Err(format!("{:?} is not a value that a header can have", route.value));
            }
        }
        if let Some(mirror) = &self.mirror {
            there(name, &service, &mirror.version)?;
            if !(0.0..=100.0).contains(&mirror.percent) {
                return Err(format!(
                    "{} of a hundred requests cannot be copied: from 0 to 100",
                    mirror.percent
                ));
            }
        }
        Ok(service)
    }

    /// Why the shares cannot be set by hand, if they cannot.
    pub(crate) fn refusal(&self, service: &str) -> Option<Reason> {
        if self.shares.is_empty() {
            return None;
        }
        let shares = crate::store::written(&self.shares);
        Some(Reason(format!(
            "{service} is being steered by deployment control: traffic is {shares}; start, promote or roll back a \
             deployment to move it"
        )))
    }
}

fn there(name: &str, service: &ServiceConfig, version: &str) -> Result<(), String> {
    if service.versions.contains_key(version) {
        return Ok(());
    }
    let names: Vec<&str> = service.versions.keys().map(String::as_str).collect();
    let near = nearest(version, names.iter().copied()).map(|near| format!("did you mean {near}? "));
    Err(format!(
        "{name} has no version {version:?}; {}there are: {}",
        near.unwrap_or_default(),
        names.join(", ")
    ))
}

/// Why nothing can be said of a version that nobody knows.
fn unknown(table: &Table, service: &str, version: &str) -> Reason {
    let Some(found) = table.service(service) else { return crate::handle::absent(table, service) };
    let names: Vec<&str> = found.versions.iter().map(|v| &*v.name).collect();
    Reason(format!("{service} has no version {version:?}; there are: {}", names.join(", ")))
}

impl Handle {
    /// What is added to a service as configured, if anything is.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn steering(&self, service: &str) -> Result<Option<Steering>, Reason> {
        let table = self.table();
        table.service(service).ok_or_else(|| crate::handle::absent(&table, service))?;
        Ok(self.control.learnt.lock().steerings.get(service).cloned())
    }

    /// Puts it in force from the next request on, whole or not at all; None takes it away. It holds over
    /// [`Handle::reload`], which is refused where it would take a version away that is steered to; a service that is no
    /// longer configured loses it. Requests under way end as they began.
    ///
    /// # Errors
    /// When there is no such service, or what does not fit; nothing has changed then.
    pub fn steer(&self, service: &str, steering: Option<Steering>) -> Result<(), Reason> {
        let mut learnt = self.control.learnt.lock();
        let config = std::sync::Arc::clone(&self.control.config.lock());
        let Some(configured) = config.services.get(service) else {
            return Err(crate::handle::absent(&self.table(), service));
        };
        if let Some(steering) = &steering {
            steering.applied(service, configured).map_err(Reason)?;
        }
        let before = match steering {
            Some(steering) => learnt.steerings.insert(service.to_owned(), steering),
            None => learnt.steerings.remove(service),
        };
        self.control.rebuild(&config, &mut learnt).map_err(|why| {
            match before {
                Some(before) => drop(learnt.steerings.insert(service.to_owned(), before)),
                None => drop(learnt.steerings.remove(service)),
            }
            Reason(why)
        })
    }

    /// Requests, tunnels and copies under way to a version right now, over all threads: what draining waits for. Requests
    /// that came before the last change and have not chosen their version yet are counted too, whichever they will choose:
    /// 0 means that nothing goes to the version, and that nothing will which the table in force does not send there. A version
    /// that is gone is still known.
    ///
    /// # Errors
    /// When there never was such a version.
    pub fn in_flight(&self, service: &str, version: &str) -> Result<u64, Reason> {
        let flow = self.flow(service, version)?;
        // First those who may still choose: who has chosen meanwhile is then found under the version.
        let undecided: u64 = self.control.former.lock().iter().map(|flow| flow.active()).sum();
        Ok(undecided + flow.active())
    }

    /// Whether at least one endpoint of a version takes requests now: found well or not checked, and not left out.
    ///
    /// # Errors
    /// When there never was such a version.
    pub fn takes(&self, service: &str, version: &str) -> Result<bool, Reason> {
        let table = self.table();
        let found = table.service(service).and_then(|found| Some(&found.versions[found.version(version)?]));
        match found {
            Some(found) => Ok(found.endpoints.iter().any(|endpoint| endpoint.available())),
            // Gone, but known.
            None => self.flow(service, version).map(|_| false),
        }
    }

    /// Requests routed to a version since the gateway started; tunnels are among them, copies are not.
    ///
    /// # Errors
    /// When there never was such a version.
    pub fn routed(&self, service: &str, version: &str) -> Result<u64, Reason> {
        self.flow(service, version).map(|flow| flow.begun())
    }

    fn flow(&self, service: &str, version: &str) -> Result<std::sync::Arc<crate::flow::Flow>, Reason> {
        let found = self.control.learnt.lock().flow(service, version);
        found.ok_or_else(|| unknown(&self.table(), service, version))
    }
}
