//! `/proc` as it really looks, and this very host.

use super::linux::{cpu, disks, is_whole_disk, load, memory, mounts, network, pressure};
use super::*;

fn value(families: &[Family], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let family = families.iter().find(|family| family.name == name)?;
    let fits = |sample: &&crate::gather::FamilySample| {
        labels.iter().all(|(n, v)| sample.labels.iter().any(|(name, value)| name == n && value == v))
    };
    family.samples.iter().find(fits).map(|sample| sample.value)
}

#[test]
fn cpu_time_is_in_seconds_by_mode() {
    let stat = "cpu  300 0 0 0\ncpu0 100 20 30 400 5 6 7 8 9 1\ncpu1 200 0 0 1\nintr 99 1 2\nctxt 77\nbtime 1700000000\nprocesses 5\nprocs_running 2\nprocs_blocked 1\n";
    let families = cpu(stat);
    assert_eq!(value(&families, "node_cpu_seconds_total", &[("cpu", "0"), ("mode", "idle")]), Some(4.0));
    assert_eq!(value(&families, "node_cpu_seconds_total", &[("cpu", "1"), ("mode", "user")]), Some(2.0));
    assert_eq!(
        value(&families, "node_cpu_guest_seconds_total", &[("cpu", "0"), ("mode", "user")]),
        Some(0.09)
    );
    assert_eq!(value(&families, "node_boot_time_seconds", &[]), Some(1.7e9));
    assert_eq!(value(&families, "node_intr_total", &[]), Some(99.0));
    assert_eq!(value(&families, "node_procs_blocked", &[]), Some(1.0));
    assert_eq!(families[0].samples.len(), 12, "the line of all CPUs is left out");
}

#[test]
fn memory_is_in_bytes_and_load_is_read() {
    let families =
        memory("MemTotal:       100 kB\nActive(anon):    2 kB\nHugePages_Total:       3\nbroken\n");
    assert_eq!(value(&families, "node_memory_MemTotal_bytes", &[]), Some(102_400.0));
    assert_eq!(value(&families, "node_memory_Active_anon_bytes", &[]), Some(2048.0));
    assert_eq!(value(&families, "node_memory_HugePages_Total", &[]), Some(3.0));
    let families = load("2.34 1.91 1.16 5/134 27611\n");
    assert_eq!(value(&families, "node_load15", &[]), Some(1.16));
    assert_eq!(value(&families, "node_procs_threads", &[]), Some(134.0));
    assert_eq!(load(""), []);
}

#[test]
fn disks_are_whole_ones_in_bytes_and_seconds() {
    let families = disks(
        " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13\n 8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n 7 0 loop0 1 1 1 1 1 1 1 1 1 1 1\n",
    );
    assert_eq!(value(&families, "node_disk_read_bytes_total", &[("device", "sda")]), Some(1536.0));
    assert_eq!(value(&families, "node_disk_io_time_seconds_total", &[("device", "sda")]), Some(0.01));
    assert_eq!(families[0].samples.len(), 1);
    for (device, whole) in [
        ("nvme0n1", true),
        ("nvme0n1p2", false),
        ("mmcblk0", true),
        ("mmcblk0p1", false),
        ("vda", true),
        ("dm-0", true),
        ("ram1", false),
        ("md127", true),
    ] {
        assert_eq!(is_whole_disk(device), whole, "{device}");
    }
}

#[test]
fn network_devices_and_pressure_are_read() {
    let dev = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
    let families = network(dev);
    assert_eq!(value(&families, "node_network_receive_bytes_total", &[("device", "lo")]), Some(1.0));
    assert_eq!(value(&families, "node_network_transmit_packets_total", &[("device", "lo")]), Some(10.0));
    let families =
        pressure("io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0 total=1000000\n");
    assert_eq!(value(&families, "node_pressure_io_waiting_seconds_total", &[]), Some(2.5));
    assert_eq!(value(&families, "node_pressure_io_stalled_seconds_total", &[]), Some(1.0));
}

#[test]
fn only_file_systems_with_files_are_shown_each_once() {
    let text = "proc /proc proc rw 0 0\noverlay / overlay rw 0 0\n/dev/sda1 / ext4 rw 0 0\n/dev/sdb /mnt/a\\040b xfs rw 0 0\nsrv:/x /net nfs4 rw 0 0\noverlay /var/lib/docker/x overlay rw 0 0\n";
    let found = mounts(text);
    assert_eq!(
        found.iter().map(|(d, p, t)| format!("{d} {p} {t}")).collect::<Vec<_>>(),
        ["/dev/sda1 / ext4", "/dev/sdb /mnt/a b xfs"]
    );
}

#[test]
fn this_host_can_be_read() {
    let mut host = Host::new();
    assert!(!host.name().is_empty());
    let families = host.gather();
    let total = value(&families, "node_memory_MemTotal_bytes", &[]).unwrap();
    assert!(total > 1e6, "{total}");
    assert!(value(&families, "node_boot_time_seconds", &[]).unwrap() > 1e9);
    let again = portable::Portable::default().gather("x");
    assert!(value(&again, "node_memory_MemTotal_bytes", &[]).is_some());
}

#[test]
fn a_host_that_shows_nothing_gives_no_samples_of_it() {
    let families = linux::gather(Path::new("/nonexistent"), "x");
    let with_samples: Vec<&str> =
        families.iter().filter(|f| !f.samples.is_empty()).map(|f| &*f.name).collect();
    assert_eq!(with_samples, ["node_uname_info"]);
}
