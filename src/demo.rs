//! The demo's processes: started under leases of the keeper's, and steered as an operator would steer a deployment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quarterdeck_demo::{ChildSpec, Platform};
use quarterdeck_journal::dispatch::{BoxFuture, External, Reconciled};
use quarterdeck_journal::{Execute, Failure as Refusal, How, Outcome};
use quarterdeck_kernel::{ActionSpec, ArgKind, ArgSpec, ChangeKind, Danger, Invocation};
use tokio::process::{Child, ChildStdin};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::exit::Failure;
use crate::keeper::{Keeper, MARKER};

/// Sends a share of the orders to the second version of the order API.
pub const SHIFT: &str = "demo.orders-v2";
/// What the order API is called.
const ORDERS: &str = "orders";
/// How long the second version has to become ready.
const READY: Duration = Duration::from_secs(15);

/// The demo's own actions, as data.
pub fn specs() -> Vec<ActionSpec> {
    vec![ActionSpec {
        id: SHIFT,
        title: "Send orders to v2",
        description: "In the demo: starts the second version of the order API and sends it a share of the orders. It is subtly \
                      slower and refuses some good orders: watch the headline, then undo it from the timeline.",
        subject: None,
        args: vec![ArgSpec {
            name: "percent",
            description: "share of the orders, from 0 to 100; 0 stops v2",
            kind: ArgKind::Number,
            required: true,
        }],
        danger: Danger::Disruptive,
        inverse: Some(SHIFT),
    }]
}

/// The running platform.
pub struct Children {
    keeper: Arc<Keeper>,
    platform: Platform,
    program: PathBuf,
    logs: PathBuf,
    running: Mutex<Vec<Running>>,
    /// The second version of orders and its share in percent.
    second: Mutex<(Option<Running>, u8)>,
    http: reqwest::Client,
}

struct Running {
    name: String,
    lease: Uuid,
    child: Child,
    /// Kept open: its end tells the child to end.
    pipe: Option<ChildStdin>,
}

impl Children {
    /// Starts the platform.
    ///
    /// # Errors
    /// When a process cannot be started; those that were are ended by the keeper.
    pub fn start(keeper: Arc<Keeper>, platform: Platform, data_dir: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::Failed(format!("this program is not found: {e}")))?;
        let logs = data_dir.join("platform").join("log");
        std::fs::create_dir_all(&logs).map_err(|e| Failure::Data(format!("{}: {e}", logs.display())))?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .map_err(|e| Failure::Failed(format!("no HTTP client: {e}")))?;
        let children = Self {
            keeper,
            platform,
            program,
            logs,
            running: Mutex::default(),
            second: Mutex::new((None, 0)),
            http,
        };
        let mut running = Vec::new();
        for spec in children.platform.children().iter().filter(|c| c.autostart) {
            running.push(children.spawn(spec).map_err(Failure::Failed)?);
        }
        Ok(Self { running: Mutex::new(running), ..children })
    }

    fn spawn(&self, spec: &ChildSpec) -> Result<Running, String> {
        let fail = |e: std::io::Error| format!("the demo's {} cannot be started: {e}", spec.name);
        let lease = self.keeper.lease().map_err(fail)?;
        let log = std::fs::File::create(self.logs.join(format!("{}.log", spec.name))).map_err(fail)?;
        let errors = log.try_clone().map_err(fail)?;
        let mut command = Command::new(&self.program);
        command
            .args(&spec.args)
            .envs(spec.env.iter().map(|(k, v)| (k, v)))
            .env(MARKER, lease.to_string())
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors);
        // Ctrl-C in the terminal is the console's: it ends the platform in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = tokio::process::Command::from(command).spawn().map_err(fail)?;
        let pipe = child.stdin.take();
        Ok(Running { name: spec.name.clone(), lease, child, pipe })
    }

    /// Completes when a process has ended that should not have.
    pub async fn one_ended(&self) -> Failure {
        loop {
            for running in self.running.lock().await.iter_mut() {
                if let Ok(Some(status)) = running.child.try_wait() {
                    return Failure::Failed(format!(
                        "the demo's {} has ended ({status}); its log is in the platform/log folder of the data directory",
                        running.name
                    ));
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Closes the pipes and waits; what does not end in time is the keeper's business.
    pub async fn end(&self) {
        let mut all = std::mem::take(&mut *self.running.lock().await);
        all.extend(self.second.lock().await.0.take());
        for running in &mut all {
            running.pipe.take();
        }
        for running in all {
            self.wait(running).await;
        }
    }

    async fn wait(&self, mut running: Running) {
        running.pipe.take();
        if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(3), running.child.wait()).await {
            self.keeper.release(running.lease);
        }
    }

    /// Gives the second version its share; the share before is answered.
    async fn shift(&self, percent: u8, gateway: &Gateway) -> Result<u8, String> {
        let mut second = self.second.lock().await;
        let before = self.share(second.1, gateway);
        if percent > 0 && second.0.is_none() {
            second.0 = Some(self.start_second().await?);
        }
        self.split(percent, gateway).await?;
        second.1 = percent;
        if percent == 0
            && let Some(running) = second.0.take()
        {
            self.wait(running).await;
        }
        Ok(before)
    }

    async fn start_second(&self) -> Result<Running, String> {
        let spec =
            self.platform.children().iter().find(|c| !c.autostart).ok_or("the demo has no second version")?;
        let running = self.spawn(spec)?;
        let begun = Instant::now();
        while begun.elapsed() < READY {
            if let Ok(answer) = self.http.get(&spec.readiness_url).send().await
                && answer.status().is_success()
            {
                return Ok(running);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.wait(running).await;
        Err(format!("{} was not ready within {} s; nothing was sent to it", spec.name, READY.as_secs()))
    }

    /// The share of the second version: what the gateway says, who may have been told something else since.
    fn share(&self, known: u8, gateway: &Gateway) -> u8 {
        let split = gateway.get().ok().filter(|_| self.platform.gateway()).and_then(|g| g.split(ORDERS).ok());
        let Some(split) = split else { return known };
        let all: u64 = split.iter().map(|(_, share)| u64::from(*share)).sum();
        let of = |version: &str| split.iter().find(|(v, _)| v == version).map_or(0, |(_, s)| u64::from(*s));
        u8::try_from((of("v2") * 100).checked_div(all).unwrap_or_default()).unwrap_or(known)
    }

    async fn split(&self, percent: u8, gateway: &Gateway) -> Result<(), String> {
        if self.platform.gateway() {
            let gateway = gateway.get().map_err(|why| why.to_string())?;
            let shares = [("v1".to_owned(), u32::from(100 - percent)), ("v2".to_owned(), u32::from(percent))];
            return gateway.set_split(ORDERS, Some(&shares)).map_err(|why| why.to_string());
        }
        let url = self.platform.url("load").ok_or("the demo has no clients")?;
        let body = serde_json::json!({ "v2": f64::from(percent) / 100.0 });
        let answer = self.http.post(format!("{url}/admin/split")).json(&body).send().await;
        let answer = answer.map_err(|e| format!("the demo's clients do not answer: {e}"))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(format!("the demo's clients refused: {}", answer.status()))
        }
    }
}

/// The running gateway, once it runs.
pub type Gateway = crate::live::Live<quarterdeck_gateway::Handle>;

/// `demo.orders-v2`
pub struct Shift {
    /// The platform.
    pub children: Arc<Children>,
    /// What orders go through.
    pub gateway: Gateway,
}

fn percent(invocation: &Invocation) -> Result<u8, Refusal> {
    let text = invocation.args.get("percent").map(String::as_str).unwrap_or_default();
    match text.trim().trim_end_matches('%').trim().parse::<u8>() {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err(Refusal::Refused(format!("percent is {text:?}: write a whole number from 0 to 100"))),
    }
}

impl Execute for Shift {
    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let now = self.children.second.try_lock().map(|second| self.children.share(second.1, &self.gateway));
        match (percent(invocation), now) {
            (Ok(wanted), Ok(now)) => {
                vec![format!("v2 will take {wanted} % of the orders; now it takes {now} %.")]
            }
            _ => Vec::new(),
        }
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Deployment
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for Shift {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        let wanted = percent(invocation).unwrap_or(0);
        Outcome::new(ChangeKind::Deployment, format!("orders v2 → {wanted} %")).service("orders")
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Refusal>> {
        Box::pin(async move {
            let wanted = percent(invocation)?;
            let now = self.children.second.lock().await.1;
            let now = self.children.share(now, &self.gateway);
            Refusal::unless_expected(invocation, &now.to_string())?;
            let before = self.children.shift(wanted, &self.gateway).await.map_err(Refusal::Failed)?;
            let inverse = Invocation::new(SHIFT, invocation.actor.clone()).arg("percent", before.to_string());
            Ok(Outcome::new(ChangeKind::Deployment, format!("orders v2 {before} % → {wanted} %"))
                .service("orders")
                .undo(inverse, wanted.to_string()))
        })
    }

    fn reconcile<'a>(&'a self, _invocation: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async { Reconciled::Failed("the demo was started again with v1 alone".to_owned()) })
    }
}
