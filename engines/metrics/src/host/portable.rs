//! Hosts other than Linux, as far as `sysinfo` knows them.

use sysinfo::{Disks, MemoryRefreshKind, Networks, RefreshKind, System};

use crate::gather::Family;
use crate::ingest::MetricType::{Counter, Gauge};

/// What `sysinfo` needs to keep between readings.
#[derive(Debug, Default)]
pub(super) struct Portable {
    system: Option<System>,
}

impl Portable {
    pub(super) fn gather(&mut self, host: &str) -> Vec<Family> {
        let mut families = Vec::new();
        let refreshes = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
        if self.system.is_none() {
            self.system = System::new_with_specifics(refreshes).ok();
        }
        if let Some(system) = &mut self.system {
            system.refresh_memory();
            for (name, help, value) in [
                ("node_memory_MemTotal_bytes", "Memory in bytes.", system.total_memory()),
                ("node_memory_MemFree_bytes", "Unused memory in bytes.", system.free_memory()),
                (
                    "node_memory_MemAvailable_bytes",
                    "Memory that programs can have in bytes.",
                    system.available_memory(),
                ),
                ("node_memory_SwapTotal_bytes", "Swap space in bytes.", system.total_swap()),
                ("node_memory_SwapFree_bytes", "Unused swap space in bytes.", system.free_swap()),
            ] {
                families.push(Family::single(name, Gauge, help, value as f64));
            }
        }
        if let Ok(load) = System::load_average() {
            families.push(Family::single("node_load1", Gauge, "1m load average.", load.one));
            families.push(Family::single("node_load5", Gauge, "5m load average.", load.five));
            families.push(Family::single("node_load15", Gauge, "15m load average.", load.fifteen));
        }
        if let Ok(boot) = System::boot_time() {
            let help = "When the system was started, in seconds since 1970.";
            families.push(Family::single("node_boot_time_seconds", Gauge, help, boot as f64));
        }
        let mut uname = Family::new("node_uname_info", Gauge, "The system's name and version.");
        let release = System::kernel_version().unwrap_or_default();
        uname.add(&[("sysname", std::env::consts::OS), ("release", &release), ("nodename", host)], 1.0);
        families.push(uname);
        families.extend(disks());
        families.extend(networks());
        families
    }
}

fn disks() -> Vec<Family> {
    let mut size = Family::new("node_filesystem_size_bytes", Gauge, "Size of the file system in bytes.");
    let mut avail = Family::new("node_filesystem_avail_bytes", Gauge, "Space for users in bytes.");
    let Ok(disks) = Disks::new_with_refreshed_list() else { return Vec::new() };
    for disk in &disks {
        let (device, mount) = (disk.name().to_string_lossy(), disk.mount_point().to_string_lossy());
        let fstype = disk.file_system().to_string_lossy();
        let labels = [("device", &*device), ("fstype", &*fstype), ("mountpoint", &*mount)];
        size.add(&labels, disk.total_space() as f64);
        avail.add(&labels, disk.available_space() as f64);
    }
    vec![size, avail]
}

fn networks() -> Vec<Family> {
    let names = [
        "receive_bytes",
        "receive_packets",
        "receive_errs",
        "transmit_bytes",
        "transmit_packets",
        "transmit_errs",
    ];
    let mut families: Vec<Family> = names
        .iter()
        .map(|n| {
            Family::new(format!("node_network_{n}_total"), Counter, format!("Network device statistic {n}."))
        })
        .collect();
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    for (device, data) in &networks {
        let device = device.to_string_lossy();
        let values = [
            data.total_received(),
            data.total_packets_received(),
            data.total_errors_on_received(),
            data.total_transmitted(),
            data.total_packets_transmitted(),
            data.total_errors_on_transmitted(),
        ];
        for (family, value) in families.iter_mut().zip(values) {
            family.add(&[("device", &device)], value as f64);
        }
    }
    families
}
