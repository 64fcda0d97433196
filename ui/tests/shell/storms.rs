//! Resizes and keys by the thousand, from a seed: nothing panics, whatever is on the screen.

use quarterdeck_kernel::Severity;
use quarterdeck_ui::{Click, HostEffect, Input, Key, KeyCode, Modifiers};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{Desk, Fake};

const CODES: [KeyCode; 15] = [
    KeyCode::Enter,
    KeyCode::Esc,
    KeyCode::Tab,
    KeyCode::Backspace,
    KeyCode::Delete,
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::Left,
    KeyCode::Right,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::F(1),
    KeyCode::Insert,
];

fn random_key(rng: &mut ChaCha8Rng) -> Key {
    let code = if rng.random_bool(0.7) {
        KeyCode::Char(
            *"abcdefgklmnopqrsyzADLRSTUY:?/ ,.[]{}*+-@0123456789é漢"
                .chars()
                .collect::<Vec<_>>()
                .choose(rng)
                .unwrap_or(&'a'),
        )
    } else {
        *CODES.choose(rng).unwrap_or(&KeyCode::Esc)
    };
    let modifiers =
        Modifiers { ctrl: rng.random_bool(0.1), alt: rng.random_bool(0.05), shift: rng.random_bool(0.05) };
    Key::new(code, modifiers)
}

#[test]
fn a_thousand_resizes() {
    let seed = 7;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut desk = Desk::new(Fake::degraded());
    let opened = ["", ":", "?", "R", "D", "L", "S", "r", ", t", ", m", "g", "esc esc"];
    for round in 0..1_000 {
        desk.size = (rng.random_range(0..240), rng.random_range(0..80));
        desk.send(Input::Resize(desk.size.0, desk.size.1));
        desk.press(opened[round % opened.len()]).wait(200);
        let screen = desk.screen();
        if desk.size.0 >= 80 && desk.size.1 >= 24 {
            assert!(screen.contains("demo"), "seed {seed}, round {round}, {:?}:\n{screen}", desk.size);
        }
    }
}

#[test]
fn storms_of_keys() {
    for seed in 0..8 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut desk = Desk::new(Fake::degraded()).sized(80, 24);
        let mut newest = None;
        for round in 0..1_500u32 {
            match rng.random_range(0..20) {
                0 => {
                    let at = (rng.random_range(0..90), rng.random_range(0..30));
                    let click = *[Click::Press, Click::Double, Click::ScrollDown, Click::Drag]
                        .choose(&mut rng)
                        .unwrap_or(&Click::Press);
                    desk.send(Input::Mouse { click, at });
                }
                1 => desk.send(Input::Paste("orders\u{1b}[2J\n漢".into())),
                2 => {
                    let count = rng.random_range(0..6);
                    desk.change(|w| w.services = (0..count).map(|n| format!("service-{n}")).collect());
                }
                3 => {
                    desk.wait(rng.random_range(-500..5_000));
                }
                4 => {
                    if let Some(generation) = newest.take() {
                        desk.send(Input::Answer {
                            pane: "services",
                            slot: "chart",
                            generation,
                            answer: Err("no".into()),
                        });
                    }
                }
                5 => desk.send(Input::Tell(Severity::Warning, "x".repeat(round as usize % 400))),
                _ => desk.send(Input::Key(random_key(&mut rng))),
            }
            let effects = std::mem::take(&mut desk.effects);
            for effect in effects {
                match effect {
                    HostEffect::Query { generation, .. } => newest = Some(generation),
                    HostEffect::Dispatch(done) => desk.outcome(&done, Ok("done")),
                    _ => {}
                }
            }
            if round % 7 == 0 {
                desk.screen();
            }
            assert!(desk.shell.next_tick() > desk.now, "seed {seed}, round {round}");
        }
    }
}
