//! The console in a pseudo-terminal: what it shows, what its keys do, and how it gives the terminal back.

mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Home, PROGRAM, Terminal, eventually};

/// A configuration of its own that asks for little: this host is enough to look at.
const CONFIG: &str = "[metrics.host]\ninterval = \"1s\"\n";

fn start(home: &Home, columns: u16, rows: u16) -> Terminal {
    start_with(home, &[], columns, rows, &[])
}

fn start_with(home: &Home, more: &[&str], columns: u16, rows: u16, variables: &[(&str, &str)]) -> Terminal {
    let config = home.file("quarterdeck.toml", CONFIG).display().to_string();
    let mut args = vec!["--config", config.as_str(), "--listen", "127.0.0.1:0"];
    args.extend(more);
    Terminal::start_with(home, &args, columns, rows, variables)
}

/// Waits until the engines behind the screen have started.
fn running(terminal: &Terminal) {
    terminal.wait_for("console started");
}

/// Leaves by key and checks that all is as it was.
fn leave(home: &Home, mut terminal: Terminal) {
    terminal.send("q");
    assert_eq!(terminal.wait(), 0, "{}", terminal.text());
    assert!(terminal.restored(), "{}", terminal.text());
    home.deserted();
    let log = home.path("data/quarterdeck/log/quarterdeck.log");
    let log = std::fs::read_to_string(log).expect("the log");
    assert!(!log.contains("panicked"), "{log}");
}

/// Goes to a pane by the digit that its tab shows.
fn go(terminal: &mut Terminal, pane: &str) {
    let tabs = terminal.row(1);
    let before = tabs.split(pane).next().unwrap_or_default();
    let digit = before.trim_end().chars().last().filter(char::is_ascii_digit);
    terminal.send(&digit.unwrap_or_else(|| panic!("{pane} has a digit: {tabs}")).to_string());
}

/// The screen without its first row, where the clock is.
fn body(terminal: &Terminal) -> String {
    terminal.text().lines().skip(1).collect::<Vec<_>>().join("\n")
}

/// Presses a key and waits until it shows.
fn press(terminal: &mut Terminal, key: &str, shows: &str) {
    terminal.send(key);
    terminal.wait_for(shows);
}

/// Presses Esc and waits until something is gone.
fn escape(terminal: &mut Terminal, gone: &str) {
    terminal.send("\x1b");
    terminal.wait_until(&format!("Esc takes away {gone:?}"), |text| !text.contains(gone));
}

#[test]
fn it_starts_at_every_size_and_fills_the_screen() {
    for (columns, rows) in [(80, 24), (120, 40), (200, 60)] {
        let home = Home::new();
        let terminal = start(&home, columns, rows);
        running(&terminal);
        let text = terminal.wait_for("host");
        assert!(terminal.row(0).starts_with(" quarterdeck  development"), "{text}");
        assert!(terminal.row(0).trim_end().ends_with("ops-1"), "{text}");
        assert!(terminal.row(1).contains("1 Overview"), "{text}");
        assert!(terminal.row(rows - 1).contains("? help"), "{columns}x{rows}: {text}");
        leave(&home, terminal);
    }
}

#[test]
fn the_first_frame_waits_for_nothing() {
    // On a busy machine any single start may be slow: the best of some tells what the program waits for.
    let best = (0..5)
        .map(|_| {
            let home = Home::new();
            let begun = Instant::now();
            let terminal = start(&home, 120, 40);
            terminal.wait_for("1 Overview");
            begun.elapsed()
        })
        .min()
        .expect("some starts");
    // How long this machine takes to start the program for nothing at all.
    let home = Home::new();
    let start = (0..5)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(home.run(&["--version"]).0, 0);
            begun.elapsed()
        })
        .min()
        .expect("some starts");
    eprintln!("first frame after {best:?}, process start ({start:?}), debug build and test included");
    let limit = Duration::from_secs(2).max(start * 20);
    assert!(best < limit, "first frame only after {best:?}; the program alone starts in {start:?}");
}

#[test]
fn palette_and_help_open_narrow_run_and_close() {
    let home = Home::new();
    let mut terminal = start(&home, 120, 40);
    running(&terminal);
    for key in [":", "\x10"] {
        press(&mut terminal, key, "─ palette ─");
        escape(&mut terminal, "─ palette ─");
    }
    press(&mut terminal, ":", "─ palette ─");
    terminal.send("timeline");
    terminal.wait_for("› timeline");
    terminal.send("\r");
    terminal.wait_until("the palette went to the timeline", |text| {
        text.contains("─ timeline ─") && !text.contains("─ palette ─")
    });
    go(&mut terminal, "Overview");
    terminal.wait_for("─ firing ─");
    press(&mut terminal, "?", "─ keys ─");
    terminal.send("palette");
    terminal.wait_until("help is narrowed", |text| text.contains("› palette") && text.contains("Ctrl-P"));
    // Help is runnable: Enter on an entry does what it tells.
    press(&mut terminal, "\r", "─ palette ─");
    escape(&mut terminal, "─ palette ─");
    leave(&home, terminal);
}

#[test]
fn themes_are_previewed_live_and_the_choice_is_remembered() {
    let home = Home::new();
    let mut terminal = start(&home, 120, 40);
    running(&terminal);
    let dark = terminal.ground(0, 0);
    press(&mut terminal, ",t", "─ theme ─");
    terminal.wait_for("daylight");
    terminal.send("\x1b[B");
    eventually("moving down previews another ground", || (terminal.ground(0, 0) != dark).then_some(()));
    let light = terminal.ground(0, 0);
    escape(&mut terminal, "─ theme ─");
    eventually("Esc takes the preview back", || (terminal.ground(0, 0) == dark).then_some(()));
    press(&mut terminal, ",t", "─ theme ─");
    terminal.send("\x1b[B");
    eventually("the preview again", || (terminal.ground(0, 0) == light).then_some(()));
    terminal.send("\r");
    terminal.wait_until("the chooser closed", |text| !text.contains("─ theme ─"));
    assert_eq!(terminal.ground(0, 0), light, "Enter keeps it");
    go(&mut terminal, "Timeline");
    terminal.wait_for("on this chain");
    leave(&home, terminal);

    let terminal = start(&home, 120, 40);
    terminal.wait_for("on this chain");
    assert_eq!(terminal.ground(0, 0), light, "the theme is remembered");
    leave(&home, terminal);
}

#[test]
fn freezing_stops_the_view_and_not_the_world() {
    let home = Home::new();
    let mut terminal = start(&home, 120, 40);
    running(&terminal);
    terminal.wait_for("Space freeze");
    press(&mut terminal, " ", "frozen");
    terminal.wait_for("Space resume");
    let before = body(&terminal);
    let (url, token) =
        eventually("the console can be found", || home.beacon(terminal.pid().as_raw_pid() as u32));
    assert!(!url.is_empty() && !token.is_empty());
    let (code, _, error) = home.run(&["act", "timeline.note", "text=said while frozen"]);
    assert_eq!(code, 0, "{error}");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(body(&terminal), before, "a frozen view does not move");
    press(&mut terminal, " ", "said while frozen");
    leave(&home, terminal);
}

/// Something of everything, none of which answers.
const RICH: &str = r#"
[metrics.host]
interval = "1s"

[[scrape.jobs]]
name = "gone"
targets = ["127.0.0.1:1", "127.0.0.1:2"]

[streams.silent]
url = "ws://127.0.0.1:1/feed"

[services.host]
matches = '{job="host"}'
owner = "ops"
runbook = "https://runbooks.example.com/host"
"#;

#[test]
fn every_hinted_key_does_something_on_a_rich_console() {
    every_hinted_key_does_something(RICH);
}

#[test]
fn every_hinted_key_does_something_on_an_empty_console() {
    every_hinted_key_does_something(CONFIG);
}

/// Every key that a hint line names, pressed where it is named: something happens, and the console lives.
fn every_hinted_key_does_something(config: &str) {
    let home = Home::new();
    let config = home.file("quarterdeck.toml", config).display().to_string();
    let mut terminal = Terminal::start(&home, &["--config", &config, "--listen", "127.0.0.1:0"], 120, 40);
    running(&terminal);
    terminal.wait_for("host");
    let tabs = terminal.row(1);
    let panes: Vec<u8> = (b'1'..=b'9').filter(|n| tabs.contains(&format!(" {} ", char::from(*n)))).collect();
    assert!(panes.len() >= 4, "{tabs}");
    for pane in panes {
        let pane = char::from(pane).to_string();
        let hints = at_rest(&mut terminal, &pane);
        assert!(hints.contains("? help"), "{hints}");
        for hint in hints.split('·').map(str::trim) {
            let Some((key, what)) = hint.split_once(' ') else { continue };
            let keys = keys_of(key);
            at_rest(&mut terminal, &pane);
            let (screen, written) = (body(&terminal), terminal.raw().len());
            for key in &keys {
                terminal.send(key);
            }
            // Copying says so in a toast, opening opens, sorting marks a heading: each is a change of the screen.
            eventually(&format!("{hint:?} in pane {pane} of {tabs:?} does something"), || {
                (body(&terminal) != screen && terminal.raw().len() > written).then_some(())
            });
            if what == "freeze" {
                terminal.wait_for("frozen");
                terminal.send(" ");
                terminal.wait_until("live again", |text| !text.contains("frozen"));
            }
        }
    }
    at_rest(&mut terminal, "1");
    leave(&home, terminal);
}

/// Goes to a pane with nothing open over it, and gives its hint line.
fn at_rest(terminal: &mut Terminal, pane: &str) -> String {
    let last = |terminal: &Terminal| terminal.text().lines().last().unwrap_or_default().to_owned();
    for _ in 0..3 {
        terminal.send("\x1b");
        // A lone Esc is one only when nothing follows at once.
        std::thread::sleep(Duration::from_millis(120));
    }
    terminal.send(pane);
    std::thread::sleep(Duration::from_millis(120));
    eventually("a hint line", || Some(last(terminal)).filter(|line| line.contains("? help")))
}

/// The bytes of a key as hints write it.
fn keys_of(hint: &str) -> Vec<String> {
    let one = |key: &str| match key {
        "Enter" => "\r".to_owned(),
        "Space" => " ".to_owned(),
        "Tab" => "\t".to_owned(),
        "Esc" => "\x1b".to_owned(),
        "↓" => "\x1b[B".to_owned(),
        "↑" => "\x1b[A".to_owned(),
        "→" => "\x1b[C".to_owned(),
        "←" => "\x1b[D".to_owned(),
        other => match other.strip_prefix("Ctrl-").and_then(|k| k.bytes().next()) {
            Some(letter) => char::from(letter.to_ascii_lowercase() & 0x1f).to_string(),
            None => match other.strip_prefix("Alt-") {
                Some(key) => format!("\x1b{key}"),
                None => other.trim_end_matches('!').to_owned(),
            },
        },
    };
    hint.split(',').filter(|k| !k.is_empty()).map(one).collect()
}

#[test]
fn places_ranges_and_times_are_reached_by_key() {
    let home = Home::new();
    let mut terminal = start(&home, 120, 40);
    running(&terminal);
    // A key that begins a chord shows what may follow.
    press(&mut terminal, "g", "─ g ─");
    escape(&mut terminal, "─ g ─");
    go(&mut terminal, "Timeline");
    terminal.wait_for("on this chain");
    go(&mut terminal, "Overview");
    terminal.wait_for("─ firing ─");
    let header = |terminal: &Terminal| terminal.row(0);
    assert!(header(&terminal).contains("15m"), "{}", header(&terminal));
    terminal.send("-");
    eventually("a longer range", || (!header(&terminal).contains("15m")).then_some(()));
    terminal.send("+");
    eventually("the range as before", || header(&terminal).contains("15m").then_some(()));
    terminal.send("@");
    terminal.wait_for("rewind");
    terminal.send("\x1b");
    terminal.wait_until("the prompt closed", |text| !text.contains("rewind"));
    leave(&home, terminal);
}

#[test]
fn signals_end_it_and_the_terminal_is_given_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let home = Home::new();
        let mut terminal = start(&home, 100, 30);
        running(&terminal);
        terminal.signal(signal);
        terminal.wait();
        assert!(terminal.restored(), "{signal:?}: {}", terminal.text());
        home.deserted();
    }
}

#[test]
fn a_signal_while_it_starts_ends_it_too() {
    let home = Home::new();
    let mut terminal = start(&home, 100, 30);
    terminal.wait_for("1 Overview");
    terminal.signal(Signal::TERM);
    terminal.wait();
    assert!(terminal.restored());
    home.deserted();
}

#[test]
fn killed_it_leaves_a_whole_terminal_and_the_next_start_tells_of_it() {
    let home = Home::new();
    let mut terminal = start(&home, 100, 30);
    running(&terminal);
    assert!(terminal.taken());
    let pid = terminal.pid().as_raw_pid();
    // SIGKILL: the program itself can do nothing any more.
    terminal.signal(Signal::KILL);
    terminal.wait();
    assert!(terminal.restored(), "{}", terminal.text());
    home.deserted();
    drop(terminal);

    let terminal = start(&home, 120, 40);
    running(&terminal);
    let (code, out, error) = home.run(&["timeline", "list", "--output", "json"]);
    assert_eq!(code, 0, "{error}");
    let told = format!("the console before (process {pid}, started 20");
    assert!(out.contains(&told) && out.contains("ended without a word; it was last seen 20"), "{out}");
    leave(&home, terminal);

    // This one ended in order: the next has nothing to tell.
    let terminal = start(&home, 120, 40);
    running(&terminal);
    let (_, out, _) = home.run(&["timeline", "list", "--output", "json"]);
    assert_eq!(out.matches("ended without a word").count(), 1, "{out}");
    leave(&home, terminal);
}

#[test]
fn killed_while_it_is_stopped_it_leaves_the_terminal_to_whom_it_was_given() {
    let home = Home::new();
    let config = home.file("quarterdeck.toml", CONFIG).display().to_string();
    // A shell in between, as an operator has one; what is on the terminal after Ctrl-Z is the shell's.
    let script = format!(
        "set -m; '{PROGRAM}' --config '{config}' --listen 127.0.0.1:0; echo stopped; read -r line; echo \"$line\"; kill -9 %1; sleep 1; printf '\\033[?1049hmine'; read -r line"
    );
    let mut terminal = Terminal::run(&home, "bash", &["-c", &script], 100, 30, &[]);
    running(&terminal);
    terminal.send("\x1a");
    terminal.wait_until("the shell has the terminal", |text| {
        text.contains("stopped") && !text.contains("1 Overview")
    });
    terminal.send("go on\r");
    terminal.wait_for("mine");
    std::thread::sleep(Duration::from_millis(500));
    assert!(terminal.taken(), "another's screen stays: {}", terminal.text());
    terminal.send("\r");
    terminal.wait();
    home.deserted();
}

#[test]
fn a_refused_reload_is_told_on_the_open_screen() {
    let home = Home::new();
    let terminal = start(&home, 120, 40);
    running(&terminal);
    home.file("quarterdeck.toml", "[metrics.host]\nintervall = \"1s\"\n");
    let told = terminal.wait_for("configuration refused, the old one stays:");
    assert!(told.contains("intervall"), "{told}");
    home.file("quarterdeck.toml", "[metrics.host]\ninterval = \"2s\"\n");
    terminal.wait_for("configuration read again");
    leave(&home, terminal);
}

#[test]
fn a_thousand_resizes_do_it_no_harm() {
    let home = Home::new();
    let mut terminal = start(&home, 120, 40);
    running(&terminal);
    // A fixed walk over sizes, from one cell to far beyond any screen's.
    let mut state: u32 = 7;
    let walk = (0..1000).map(|n| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = (1 + (state >> 8) % 300, 1 + (state >> 20) % 100);
        if n < 999 { (size.0 as u16, size.1 as u16) } else { (100, 30) }
    });
    terminal.resize(walk, Duration::from_millis(1));
    terminal.wait_until("the last size is the one that is drawn", |text| {
        let lines: Vec<&str> = text.lines().collect();
        lines.len() == 30 && lines[29].contains("? help") && lines[1].contains("1 Overview")
    });
    press(&mut terminal, ":", "─ palette ─");
    escape(&mut terminal, "─ palette ─");
    leave(&home, terminal);
}

#[test]
fn a_small_terminal_is_told_so_until_it_is_larger() {
    let home = Home::new();
    let mut terminal = start(&home, 30, 8);
    terminal.wait_until("it says that it needs more", |text| {
        text.contains("quarterdeck needs") && text.contains("30×8")
    });
    terminal.resize([(80, 24)], Duration::ZERO);
    running(&terminal);
    terminal.resize([(9, 2), (1, 1), (80, 24)], Duration::from_millis(200));
    terminal.wait_for("? help");
    leave(&home, terminal);
}

#[test]
fn without_a_terminal_it_says_so() {
    let home = Home::new();
    let (code, out, error) = home.run(&["--listen", "127.0.0.1:0"]);
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(error.contains("is not a terminal") && error.contains("quarterdeck serve"), "{error}");
    home.deserted();
}

#[test]
fn a_terminal_that_is_closed_ends_it() {
    let home = Home::new();
    let mut terminal = start(&home, 120, 40);
    running(&terminal);
    terminal.close();
    terminal.wait();
    home.deserted();
}

#[test]
fn no_color_means_none() {
    let home = Home::new();
    let mut terminal = start_with(&home, &[], 120, 40, &[("NO_COLOR", "1")]);
    running(&terminal);
    press(&mut terminal, ":", "─ palette ─");
    escape(&mut terminal, "─ palette ─");
    press(&mut terminal, ",t", "─ theme ─");
    terminal.send("\x1b[B");
    escape(&mut terminal, "─ theme ─");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    leave(&home, terminal);
    let coloured: Vec<&str> = raw.split("\x1b[").skip(1).filter(|sequence| coloured(sequence)).collect();
    assert!(coloured.is_empty(), "{:?}", &coloured[..coloured.len().min(5)]);
}

/// Whether what follows a CSI is a graphic rendition that sets a colour.
fn coloured(sequence: &str) -> bool {
    let Some(end) = sequence.find(|c: char| c.is_ascii_alphabetic()) else { return false };
    sequence[end..].starts_with('m')
        && sequence[..end]
            .split([';', ':'])
            .filter_map(|n| n.parse::<u16>().ok())
            .any(|n| matches!(n, 30..=38 | 40..=48 | 90..=97 | 100..=107))
}

#[test]
fn read_only_takes_away_what_changes_something() {
    let home = Home::new();
    let mut terminal = start(&home, 120, 40);
    running(&terminal);
    let reload = "reload configuration";
    let own = |terminal: &mut Terminal| {
        terminal.send(":");
        terminal.wait_for("─ palette ─");
        terminal.send("self");
        terminal.wait_for("› self");
        terminal.send("\r");
        // The palette is gone from all of the screen, down to the hint line.
        terminal.wait_until("the pane alone", |text| {
            text.contains("─ engines ─") && !text.contains("Esc close") && text.contains("? help")
        });
    };
    own(&mut terminal);
    assert!(terminal.text().contains(reload), "without --read-only it is there: {}", terminal.text());
    leave(&home, terminal);

    let home = Home::new();
    let mut terminal = start_with(&home, &["--read-only"], 120, 40, &[]);
    running(&terminal);
    assert!(terminal.row(0).contains("READ-ONLY"), "{}", terminal.row(0));
    own(&mut terminal);
    assert!(!terminal.text().contains(reload), "{}", terminal.text());
    press(&mut terminal, ":", "─ palette ─");
    terminal.send("Reload");
    terminal.wait_for("› Reload");
    assert!(!terminal.text().contains("Reload configuration"), "{}", terminal.text());
    escape(&mut terminal, "─ palette ─");
    let (code, _, error) = home.run(&["act", "console.reload"]);
    assert_eq!(code, 4, "{error}");
    leave(&home, terminal);
}

#[test]
fn what_keeps_it_from_starting_is_said_on_the_restored_terminal() {
    let home = Home::new();
    let data = home.path("data/shared").display().to_string();
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data]);
    let mut terminal = start_with(&home, &["--data-dir", &data], 120, 40, &[]);
    assert_eq!(terminal.wait(), 6, "{}", terminal.text());
    let told = terminal.wait_for("is in use by another console");
    assert!(told.contains(&server.child.id().to_string()), "{told}");
    assert!(terminal.restored());
}
