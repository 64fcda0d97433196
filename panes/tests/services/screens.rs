//! Whole screens.

use quarterdeck_kernel::{Health, Subject};
use quarterdeck_services::{Signal, Snapshot};
use quarterdeck_ui::Event;

use crate::platform::{Desk, NOW, heatmap, platform, signals};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

#[test]
fn the_list_with_the_worst_first() {
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("list_{width}x{height}"), Desk::new(width, height).screen());
    }
}

#[test]
fn one_service() {
    for (width, height) in SIZES {
        let mut desk = Desk::new(width, height);
        desk.open();
        insta::assert_snapshot!(format!("service_{width}x{height}"), desk.screen());
    }
}

#[test]
fn one_transaction_with_the_cursor_in_the_past() {
    let mut desk = Desk::new(120, 40);
    desk.open();
    let effects = desk.command("open");
    desk.reply(&effects);
    desk.scope.cursor = Some(NOW.plus_millis(-250_000));
    insta::assert_snapshot!("transaction_120x40", desk.screen());
}

#[test]
fn the_heatmap_where_one_chart_has_room() {
    let mut desk = Desk::new(80, 24);
    desk.open();
    let effects = desk.command("view");
    desk.reply(&effects);
    insta::assert_snapshot!("heatmap_80x24", desk.screen());
}

#[test]
fn why_it_is_not_well() {
    let mut desk = Desk::new(120, 40);
    desk.command("explain");
    insta::assert_snapshot!("explain_120x40", desk.screen());
}

#[test]
fn nothing_says_what_to_do() {
    let desk = Desk::with(Snapshot::default(), 80, 24);
    assert!(desk.screen().contains("[[scrape.jobs]]"), "{}", desk.screen());
    assert_eq!(desk.selection(), None);
}

#[test]
fn an_error_stands_where_the_chart_would_be() {
    let mut desk = Desk::new(80, 24);
    desk.command("open");
    desk.event(Event::Answer { slot: "signals", answer: Err("the store is reading its journal".to_owned()) });
    assert!(desk.screen().contains("the store is reading its journal"), "{}", desk.screen());
}

#[test]
fn before_the_first_answer_the_short_history_is_drawn() {
    let mut desk = Desk::new(80, 24);
    desk.command("open");
    let screen = desk.screen();
    assert!(screen.contains("asking …") && screen.contains("p99 84"), "{screen}");
}

#[test]
fn what_is_healthy_is_quiet() {
    let mut desk = Desk::new(80, 24);
    desk.event(Event::Open(&Subject::service("risk")));
    let screen = desk.screen();
    assert!(screen.contains("every limit holds"), "{screen}");
    let (buffer, _) = desk.draw();
    let loud = desk.look.style(Health::Degraded).fg;
    let loud: Vec<_> =
        buffer.content.iter().filter(|c| Some(c.fg) == loud && "▲✖".contains(c.symbol())).collect();
    assert!(loud.is_empty(), "{screen}");
}

#[test]
fn a_value_that_is_within_its_limit_again_is_said_to_recover() {
    let mut snapshot = platform();
    let service = std::sync::Arc::make_mut(&mut snapshot.services[0]);
    service.breaches[0].value = 49.0;
    service.signals.p99.value = Some(49.0);
    let mut desk = Desk::with(snapshot, 120, 40);
    assert!(desk.screen().contains("recovering"), "{}", desk.screen());
    desk.command("explain");
    assert!(desk.screen().contains("within again, but not for long enough"), "{}", desk.screen());
}

#[test]
fn where_it_is_narrow_only_what_is_not_well_is_named() {
    let mut desk = Desk::new(80, 24);
    desk.open();
    let screen = desk.screen();
    assert!(screen.contains("broker degraded") && screen.contains("1 more is well"), "{screen}");
}

#[test]
fn no_area_and_no_missing_value_does_harm() {
    let mut broken = platform();
    let service = std::sync::Arc::make_mut(&mut broken.services[0]);
    service.signals.p99 = Signal { value: Some(f64::NAN), limit: Some(f64::INFINITY), ..Signal::default() };
    service.signals.rate.history = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into();
    service.resources[0].percent = Some(f64::NAN);
    service.transactions[0].attainment = Some(f64::NAN);
    service.depends_on.push("nobody".to_owned());
    for snapshot in [platform(), broken, Snapshot::default()] {
        for (width, height) in
            [(0, 4), (1, 5), (7, 9), (40, 12), (80, 24), (99, 30), (120, 13), (121, 200), (300, 20)]
        {
            let mut desk = Desk::with(snapshot.clone(), width, height);
            for verb in ["down", "up", "open", "open", "view", "view", "explain", "last"] {
                desk.command(verb);
                for (slot, answer) in [("signals", signals()), ("heatmap", heatmap())] {
                    desk.event(Event::Answer { slot, answer: Ok(answer) });
                }
                desk.draw();
            }
        }
    }
}

/// Draws pictures of the pane into the directory that `QUARTERDECK_PICTURES` names: for eyes, run by hand.
#[test]
fn pictures_for_eyes() {
    let Some(folder) = std::env::var_os("QUARTERDECK_PICTURES") else { return };
    for (width, height) in SIZES {
        let mut desk = Desk::new(width, height);
        picture(&desk, &folder, &format!("list-{width}"));
        desk.open();
        picture(&desk, &folder, &format!("service-{width}"));
        let effects = desk.command("view");
        desk.reply(&effects);
        picture(&desk, &folder, &format!("view-{width}"));
    }
}

fn picture(desk: &Desk, folder: &std::ffi::OsStr, name: &str) {
    let options = quarterdeck_widgets::picture::PictureOptions { font_size: 16.0, padding: 4 };
    let bytes = quarterdeck_widgets::picture::png(&desk.draw().0, &desk.look, &options).unwrap();
    std::fs::write(std::path::Path::new(folder).join(format!("{name}.png")), bytes).unwrap();
}
