use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Adds what the Prometheus client libraries say about the process itself.
pub(crate) fn register(registry: &mut Registry) {
    if let (Ok(pid), Ok(system)) = (sysinfo::get_current_pid(), System::new()) {
        registry.register_collector(Box::new(ProcessCollector { pid, system: Mutex::new(system) }));
    }
}

/// Reads the process's own figures at each scrape.
#[derive(Debug)]
struct ProcessCollector {
    pid: Pid,
    system: Mutex<System>,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut system = self.system.lock();
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[self.pid]),
            false,
            ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks(),
        );
        let Some(process) = system.process(self.pid) else { return Ok(()) };
        let cpu = ConstCounter::new(process.accumulated_cpu_time() as f64 / 1_000.0);
        let resident = ConstGauge::new(i64::try_from(process.memory()).unwrap_or(i64::MAX));
        let start = ConstGauge::new(i64::try_from(process.start_time()).unwrap_or(i64::MAX));
        cpu.encode(encoder.encode_descriptor(
            "process_cpu",
            "CPU time that the process has used",
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?)?;
        resident.encode(encoder.encode_descriptor(
            "process_resident_memory",
            "Memory that the process holds",
            Some(&Unit::Bytes),
            resident.metric_type(),
        )?)?;
        start.encode(encoder.encode_descriptor(
            "process_start_time",
            "When the process started, since 1970",
            Some(&Unit::Seconds),
            start.metric_type(),
        )?)
    }
}
