//! Linux: `/proc` and `statvfs`, read into node_exporter's families.

use std::fs;
use std::path::Path;

use super::TICKS_PER_SECOND;
use crate::gather::Family;
use crate::ingest::MetricType::{Counter, Gauge};

/// File systems that hold no files of their own, or that may hang when asked.
const IGNORED_TYPES: [&str; 33] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "efivarfs",
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "ceph",
    "fuse.sshfs",
    "fuse.lxcfs",
];

pub(super) fn gather(proc: &Path, host: &str) -> Vec<Family> {
    let read = |name: &str| fs::read_to_string(proc.join(name)).unwrap_or_default();
    let stat = read("stat");
    let mut families = cpu(&stat);
    families.extend(memory(&read("meminfo")));
    families.extend(load(&read("loadavg")));
    families.extend(disks(&read("diskstats")));
    families.extend(network(&read("net/dev")));
    families.extend(file_handles(&read("sys/fs/file-nr")));
    for resource in ["cpu", "memory", "io"] {
        families.extend(pressure(resource, &read(&format!("pressure/{resource}"))));
    }
    families.extend(filesystems(&read("mounts")));
    families.push(uname(host, &|name| read(&format!("sys/kernel/{name}"))));
    families
}

/// A number of `/proc/stat` by its name.
pub(super) fn stat_field(stat: &str, name: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.split(' ').next()?.parse().ok())
}

pub(super) fn cpu(stat: &str) -> Vec<Family> {
    let mut seconds = Family::new("node_cpu_seconds_total", Counter, "Seconds the CPUs spent in each mode.");
    let mut guest = Family::new(
        "node_cpu_guest_seconds_total",
        Counter,
        "Seconds the CPUs spent in guests for each mode.",
    );
    let modes = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
    for line in stat.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(cpu) = words.next().and_then(|word| word.strip_prefix("cpu")).filter(|n| !n.is_empty())
        else {
            continue;
        };
        let ticks: Vec<f64> = words.map_while(|word| word.parse().ok()).collect();
        for (mode, ticks) in modes.iter().zip(&ticks) {
            seconds.add(&[("cpu", cpu), ("mode", mode)], ticks / TICKS_PER_SECOND);
        }
        for (mode, ticks) in ["user", "nice"].iter().zip(ticks.iter().skip(modes.len())) {
            guest.add(&[("cpu", cpu), ("mode", mode)], ticks / TICKS_PER_SECOND);
        }
    }
    let mut families = vec![seconds, guest];
    for (field, name, kind, help) in [
        ("btime", "node_boot_time_seconds", Gauge, "When the system was started, in seconds since 1970."),
        ("ctxt", "node_context_switches_total", Counter, "Context switches."),
        ("intr", "node_intr_total", Counter, "Interrupts."),
        ("processes", "node_forks_total", Counter, "Processes started."),
        ("procs_running", "node_procs_running", Gauge, "Processes that can run."),
        ("procs_blocked", "node_procs_blocked", Gauge, "Processes that wait for a disk."),
    ] {
        families.extend(stat_field(stat, field).map(|value| Family::single(name, kind, help, value)));
    }
    families
}

pub(super) fn memory(meminfo: &str) -> Vec<Family> {
    let line = |line: &str| {
        let (field, rest) = line.split_once(':')?;
        let mut words = rest.split_ascii_whitespace();
        let value: f64 = words.next()?.parse().ok()?;
        // "Active(anon)" becomes Active_anon, as node_exporter has it.
        let field = field.replace('(', "_").replace(')', "");
        let (name, value) = match words.next() {
            Some("kB") => (format!("node_memory_{field}_bytes"), value * 1024.0),
            _ => (format!("node_memory_{field}"), value),
        };
        Some(Family::single(name, Gauge, format!("Memory information field {field}."), value))
    };
    meminfo.lines().filter_map(line).collect()
}

pub(super) fn load(loadavg: &str) -> Vec<Family> {
    let mut words = loadavg.split_ascii_whitespace();
    let mut families = Vec::new();
    for (name, help) in [
        ("node_load1", "1m load average."),
        ("node_load5", "5m load average."),
        ("node_load15", "15m load average."),
    ] {
        let value = words.next().and_then(|word| word.parse().ok());
        families.extend(value.map(|value| Family::single(name, Gauge, help, value)));
    }
    // "5/134": threads that run, threads there are.
    let threads = words.next().and_then(|word| word.split_once('/')?.1.parse().ok());
    let help = "Threads of all processes.";
    families.extend(threads.map(|value| Family::single("node_procs_threads", Gauge, help, value)));
    families
}

/// Name, help, and how the number in `/proc/diskstats` is scaled; in the order of its columns.
const DISK: [(&str, &str, f64); 11] = [
    ("node_disk_reads_completed_total", "Reads completed.", 1.0),
    ("node_disk_reads_merged_total", "Reads merged.", 1.0),
    ("node_disk_read_bytes_total", "Bytes read.", 512.0),
    ("node_disk_read_time_seconds_total", "Seconds spent by all reads.", 0.001),
    ("node_disk_writes_completed_total", "Writes completed.", 1.0),
    ("node_disk_writes_merged_total", "Writes merged.", 1.0),
    ("node_disk_written_bytes_total", "Bytes written.", 512.0),
    ("node_disk_write_time_seconds_total", "Seconds spent by all writes.", 0.001),
    ("node_disk_io_now", "Reads and writes in progress.", 1.0),
    ("node_disk_io_time_seconds_total", "Seconds spent doing I/O.", 0.001),
    (
        "node_disk_io_time_weighted_seconds_total",
        "Seconds spent doing I/O, weighted by how much is waiting.",
        0.001,
    ),
];

pub(super) fn disks(diskstats: &str) -> Vec<Family> {
    let kind = |name: &str| if name.ends_with("_total") { Counter } else { Gauge };
    let mut families: Vec<Family> =
        DISK.iter().map(|(name, help, _)| Family::new(*name, kind(name), *help)).collect();
    for line in diskstats.lines() {
        let mut words = line.split_ascii_whitespace().skip(2);
        let Some(device) = words.next().filter(|device| is_whole_disk(device)) else { continue };
        let values = words.map_while(|word| word.parse::<f64>().ok());
        for ((family, value), (_, _, scale)) in families.iter_mut().zip(values).zip(&DISK) {
            family.add(&[("device", device)], value * scale);
        }
    }
    families
}

/// Leaves out RAM disks, loop devices, floppies and partitions, as node_exporter does.
pub(super) fn is_whole_disk(device: &str) -> bool {
    let rest_is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    if ["ram", "loop", "fd"].iter().any(|p| device.strip_prefix(p).is_some_and(rest_is_number)) {
        return false;
    }
    if device.starts_with("nvme") || device.starts_with("mmcblk") {
        return !device.rsplit_once('p').is_some_and(|(_, part)| rest_is_number(part));
    }
    let lettered = ["sd", "hd", "vd", "xvd"].iter().any(|p| device.starts_with(p));
    !(lettered && device.ends_with(|c: char| c.is_ascii_digit()))
}

const NETWORK: [&str; 16] = [
    "receive_bytes",
    "receive_packets",
    "receive_errs",
    "receive_drop",
    "receive_fifo",
    "receive_frame",
    "receive_compressed",
    "receive_multicast",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errs",
    "transmit_drop",
    "transmit_fifo",
    "transmit_colls",
    "transmit_carrier",
    "transmit_compressed",
];

pub(super) fn network(dev: &str) -> Vec<Family> {
    let mut families: Vec<Family> = NETWORK
        .iter()
        .map(|n| {
            Family::new(format!("node_network_{n}_total"), Counter, format!("Network device statistic {n}."))
        })
        .collect();
    for line in dev.lines().skip(2) {
        let Some((device, rest)) = line.split_once(':') else { continue };
        let values = rest.split_ascii_whitespace().map_while(|word| word.parse::<f64>().ok());
        for (family, value) in families.iter_mut().zip(values) {
            family.add(&[("device", device.trim())], value);
        }
    }
    families
}

fn file_handles(file_nr: &str) -> Vec<Family> {
    let values: Vec<f64> = file_nr.split_ascii_whitespace().map_while(|word| word.parse().ok()).collect();
    let [allocated, _, maximum] = values[..] else { return Vec::new() };
    vec![
        Family::single("node_filefd_allocated", Gauge, "File handles in use.", allocated),
        Family::single("node_filefd_maximum", Gauge, "File handles that there can be.", maximum),
    ]
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=12345` (microseconds), and `full` likewise.
pub(super) fn pressure(resource: &str, text: &str) -> Vec<Family> {
    let line = |line: &str| {
        let (kind, rest) = line.split_once(' ')?;
        let micros: f64 = rest.rsplit_once("total=")?.1.trim().parse().ok()?;
        let name = match (resource, kind) {
            ("cpu", "some") => "node_pressure_cpu_waiting_seconds_total",
            ("memory", "some") => "node_pressure_memory_waiting_seconds_total",
            ("memory", "full") => "node_pressure_memory_stalled_seconds_total",
            ("io", "some") => "node_pressure_io_waiting_seconds_total",
            ("io", "full") => "node_pressure_io_stalled_seconds_total",
            _ => return None,
        };
        let help = format!("Seconds that processes have waited for {resource}.");
        Some(Family::single(name, Counter, help, micros / 1e6))
    };
    text.lines().filter_map(line).collect()
}

/// Device, mount point and type of the file systems worth showing.
pub(super) fn mounts(text: &str) -> Vec<(String, String, String)> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ').map(unescape);
        let (Some(device), Some(point), Some(kind)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        // In a container the root is an overlay, and the only file system that tells anything.
        let ignored = IGNORED_TYPES.contains(&kind.as_str()) && !(kind == "overlay" && point == "/");
        let inner =
            ["/dev", "/proc", "/sys", "/run/credentials", "/var/lib/docker", "/var/lib/containers/storage"]
                .iter()
                .any(|p| point.strip_prefix(p).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        if !ignored && !inner {
            // A later mount on the same point hides the earlier one.
            found.retain(|(_, held, _)| *held != point);
            found.push((device, point, kind));
        }
    }
    found
}

/// Spaces and the like stand as octal escapes in `/proc/mounts`.
fn unescape(word: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(word.to_owned(), |word, (escape, plain)| word.replace(escape, plain))
}

#[cfg(unix)]
fn filesystems(text: &str) -> Vec<Family> {
    const NAMES: [(&str, &str); 6] = [
        ("node_filesystem_size_bytes", "Size of the file system in bytes."),
        ("node_filesystem_free_bytes", "Free space in bytes."),
        ("node_filesystem_avail_bytes", "Space for users in bytes."),
        ("node_filesystem_files", "File nodes of the file system."),
        ("node_filesystem_files_free", "Free file nodes."),
        ("node_filesystem_readonly", "1 if the file system is read-only."),
    ];
    let mut families: Vec<Family> =
        NAMES.iter().map(|(name, help)| Family::new(*name, Gauge, *help)).collect();
    for (device, point, kind) in mounts(text) {
        let Ok(stat) = rustix::fs::statvfs(point.as_str()) else { continue };
        let block = stat.f_frsize as f64;
        let values = [
            stat.f_blocks as f64 * block,
            stat.f_bfree as f64 * block,
            stat.f_bavail as f64 * block,
            stat.f_files as f64,
            stat.f_ffree as f64,
            f64::from(u8::from(stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))),
        ];
        let labels = [("device", device.as_str()), ("fstype", &kind), ("mountpoint", &point)];
        for (family, value) in families.iter_mut().zip(values) {
            family.add(&labels, value);
        }
    }
    families
}

#[cfg(not(unix))]
fn filesystems(_text: &str) -> Vec<Family> {
    Vec::new()
}

fn uname(host: &str, kernel: &dyn Fn(&str) -> String) -> Family {
    let mut family = Family::new("node_uname_info", Gauge, "The system's name and version.");
    let (release, version) = (kernel("osrelease"), kernel("version"));
    family.add(
        &[
            ("machine", std::env::consts::ARCH),
            ("nodename", host),
            ("release", release.trim()),
            ("sysname", "Linux"),
            ("version", version.trim()),
        ],
        1.0,
    );
    family
}
