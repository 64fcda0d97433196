//! Whole screens with their styles, at the sizes that matter.

use quarterdeck_kernel::Severity;
use quarterdeck_ui::Input;
use quarterdeck_widgets::Look;
use quarterdeck_widgets::theme::Depth;

use crate::support::{Desk, Fake, with_styles};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn snapshot(name: &str, world: &Fake, act: impl Fn(&mut Desk)) {
    for (columns, rows) in SIZES {
        let mut desk = Desk::new(world.clone()).sized(columns, rows);
        act(&mut desk);
        insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), with_styles(&desk.buffer()));
    }
}

#[test]
fn healthy() {
    snapshot("healthy", &Fake::default(), |_| {});
}

#[test]
fn degraded() {
    snapshot("degraded", &Fake::degraded(), |_| {});
}

#[test]
fn palette() {
    snapshot("palette", &Fake::degraded(), |desk| {
        desk.press(": \"ro\"");
    });
}

#[test]
fn help() {
    snapshot("help", &Fake::degraded(), |desk| {
        desk.press("?");
    });
}

#[test]
fn confirmation() {
    snapshot("confirmation", &Fake::degraded(), |desk| {
        desk.press("R");
    });
}

#[test]
fn production_read_only_frozen() {
    let mut world = Fake::degraded();
    world.status.production = true;
    world.status.read_only = true;
    world.status.environment = "production".into();
    snapshot("production", &world, |desk| {
        desk.press("space").wait(12_000);
        desk.send(Input::Tell(Severity::Warning, "the keymap was not taken: line 3".into()));
    });
}

#[test]
fn popup_of_a_begun_chord() {
    let mut desk = Desk::new(Fake::default());
    desk.press(",").wait(500);
    insta::assert_snapshot!(desk.screen());
}

#[test]
fn typed_name_for_what_destroys() {
    let mut desk = Desk::new(Fake::default());
    desk.press("D \"order\" enter");
    insta::assert_snapshot!(desk.screen());
}

#[test]
fn nothing_is_said_by_colour_alone() {
    let mut desk = Desk::new(Fake::degraded()).sized(120, 40);
    let coloured = desk.screen();
    desk.press(", a");
    let ascii = desk.screen();
    assert!(ascii.is_ascii(), "{ascii}");
    assert!(coloured.contains("✖ 1 critical") && ascii.contains("X 1 critical"));
    let look = Look::default().with_depth(Depth::None);
    assert_eq!(look.depth(), Depth::None);
}

#[test]
fn too_small_says_so() {
    let mut desk = Desk::new(Fake::default()).sized(60, 20);
    let screen = desk.screen();
    assert!(screen.contains("quarterdeck needs 80×24, this terminal is 60×20"), "{screen}");
    desk.press("R y");
    assert!(desk.dispatched().is_empty(), "nothing is done unseen");
    for size in [(1, 1), (0, 0), (80, 23), (79, 24), (3, 100)] {
        Desk::new(Fake::default()).sized(size.0, size.1).screen();
    }
}

#[test]
fn a_narrow_header_keeps_what_matters() {
    let mut world = Fake::degraded();
    world.status.production = true;
    world.status.read_only = true;
    world.status.environment = "production".into();
    world.services = vec!["market-data-normaliser".into()];
    world.status.running = Some("12 rollouts".into());
    let mut told = String::new();
    for columns in [80, 100, 120, 160] {
        for keys in ["", "S down enter", "S down enter { { { { { { {", "space", "[ [ ["] {
            let mut desk = Desk::new(world.clone()).sized(columns, 24);
            let header = desk.press(keys).row(0);
            told.push_str(&format!("{header}\n"));
            for part in ["PRODUCTION", "READ-ONLY", "✖", "▲", "ops-1"] {
                assert!(header.contains(part), "{columns} columns, {keys}: {part} is missing in {header:?}");
            }
        }
    }
    insta::assert_snapshot!(told);
}
