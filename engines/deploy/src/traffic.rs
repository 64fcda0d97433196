//! The traffic that rollouts move, and how it is asked to move.

use quarterdeck_gateway::config::VersionRoute;
use quarterdeck_gateway::{Handle, SteeredMirror, Steering};
use quarterdeck_kernel::Reason;

use crate::model::{Mirror, RoutedHeader, Shares};

/// Moves the traffic of services, and tells where it goes.
pub trait Traffic: Send + Sync {
    /// From the next request on it goes like this.
    ///
    /// # Errors
    /// Why it does not; it goes as before then.
    fn steer(&self, service: &str, course: &Course) -> Result<(), String>;
    /// Requests under way to a version.
    fn in_flight(&self, service: &str, version: &str) -> u64;
    /// Requests routed to a version since traffic began.
    fn routed(&self, service: &str, version: &str) -> u64;
    /// Whether it still knows what it was told: it may have been started again.
    fn holds(&self, service: &str) -> bool;
    /// Why the traffic of a service cannot be moved; None when it can.
    fn trouble(&self, service: &str) -> Option<String>;
}

/// Where the traffic of a service goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Versions with the addresses of the replicas that take requests.
    pub versions: Vec<(String, Vec<String>)>,
    /// Shares; empty as long as deployment control has never moved anything: operators may still set them by hand.
    pub shares: Shares,
    /// Headers that choose a version.
    pub headers: Vec<RoutedHeader>,
    /// The copy of requests.
    pub mirror: Option<Mirror>,
}

/// Where the newest handle of the gateway is; the engine may be started again.
pub type Live = std::sync::Arc<dyn Fn() -> Result<Handle, Reason> + Send + Sync>;

/// The console's own gateway.
pub struct GatewayTraffic(pub Live);

impl Traffic for GatewayTraffic {
    fn steer(&self, service: &str, course: &Course) -> Result<(), String> {
        let steering = Steering {
            versions: course.versions.iter().cloned().collect(),
            shares: course.shares.clone(),
            header_routes: course
                .headers
                .iter()
                .map(|route| VersionRoute {
                    header: route.header.clone(),
                    value: route.value.clone(),
                    version: route.version.clone(),
                })
                .collect(),
            mirror: course.mirror.as_ref().map(|mirror| SteeredMirror {
                version: mirror.version.clone(),
                percent: f64::from(mirror.percent),
            }),
        };
        let handle = (self.0)().map_err(|reason| reason.0)?;
        handle.steer(service, Some(steering)).map_err(|reason| reason.0)
    }

    fn in_flight(&self, service: &str, version: &str) -> u64 {
        // Of a version that the gateway never knew nothing is under way.
        (self.0)().and_then(|handle| handle.in_flight(service, version)).unwrap_or(0)
    }

    fn routed(&self, service: &str, version: &str) -> u64 {
        (self.0)().and_then(|handle| handle.routed(service, version)).unwrap_or(0)
    }

    fn holds(&self, service: &str) -> bool {
        (self.0)().and_then(|handle| handle.steering(service)).is_ok_and(|steering| steering.is_some())
    }

    fn trouble(&self, service: &str) -> Option<String> {
        (self.0)().and_then(|handle| handle.steering(service)).err().map(|reason| reason.0)
    }
}
