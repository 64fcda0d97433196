//! Scrape targets.

mod support;

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Health, Labels};
use quarterdeck_panes::targets::Targets;
use quarterdeck_scrape::Snapshot;
use quarterdeck_scrape::model::{JobStatus, Refused, TargetStatus};
use support::{NOW, Stage, empty_world};

fn target(job: &str, age_ms: i64, bytes: usize, took_us: u64) -> Arc<TargetStatus> {
    Arc::new(TargetStatus {
        job: job.into(),
        instance: format!("{job}-v1").into(),
        url: format!("http://127.0.0.1:9100/{job}").into(),
        labels: Labels::from_pairs([("job", job)]),
        discovered: Labels::default(),
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        health: Health::Ok,
        last_error: None,
        warning: None,
        last_scrape: Some(NOW.plus_millis(-age_ms)),
        duration: Some(Duration::from_micros(took_us)),
        scraped: 211,
        post_relabel: 211,
        added: 0,
        bytes,
        refused: Refused::default(),
        next_scrape: NOW.plus_millis(400),
        failures: 0,
        recent: Vec::new(),
    })
}

fn stage(size: (u16, u16)) -> Stage {
    let why = "kubernetes_sd_configs is not supported by this version: the job is loaded, but nothing is scraped; \
               use http_sd_configs or file_sd_configs";
    let job = JobStatus { name: "pods".into(), unavailable: vec![why.to_owned()], ..JobStatus::default() };
    let targets = [
        target("orders", 300, 12_400, 2_140),
        target("risk", 1_700, 980, 840),
        target("broker", 125_000, 3_200, 12_300),
    ];
    let mut world = empty_world();
    world.targets = Arc::new(Snapshot { targets: targets.into(), jobs: [job].into(), ..Snapshot::default() });
    Stage::new(Targets::new(), world, size)
}

#[test]
fn ages_keep_to_seconds_and_numbers_stand_under_each_other() {
    let stage = stage((160, 30));
    let screen = stage.screen();
    let rows: Vec<&str> = ["orders-v1", "risk-v1", "broker-v1"]
        .iter()
        .map(|name| screen.lines().find(|line| line.contains(name)).expect("a row"))
        .collect();
    for (row, told) in rows.iter().zip(["     0 s", "     1 s", "2 m 05 s"]) {
        assert!(row.contains(told), "{told}:\n{screen}");
        assert!(!row.contains(" ms "), "{row}");
    }
    let points: Vec<Option<usize>> = rows
        .iter()
        .zip(["2.14", "0.84", "12.3"])
        .map(|(row, took)| row.find(took).map(|at| row[..at].chars().count() + took.find('.').unwrap_or(0)))
        .collect();
    assert!(points[0].is_some() && points.iter().all(|p| *p == points[0]), "{points:?}\n{screen}");
}

#[test]
fn why_a_job_is_not_scraped_is_told_in_full_where_it_is_narrow() {
    let screen = stage((80, 24)).screen();
    assert!(screen.contains("1 job") && screen.contains("pods"), "{screen}");
    let flat: String = screen.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("use http_sd_configs or file_sd_configs"), "{screen}");
}

#[test]
fn the_column_chooser_has_a_border() {
    let mut stage = stage((120, 30));
    stage.keys("c");
    let screen = stage.screen();
    assert!(screen.contains("┌─ columns ") && screen.contains("└─ Enter show or hide"), "{screen}");
    stage.keys("esc");
    assert!(!stage.screen().contains("columns"), "{}", stage.screen());
}
