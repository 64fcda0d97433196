//! The themes that ship: whole, legible, and told apart by everyone.

use quarterdeck_widgets::theme::{Colour, contrast, parse, shipped, shipped_source};
use quarterdeck_widgets::{Depth, Look, Role};
use ratatui::style::Color;

const READ: [Role; 12] = [
    Role::Text,
    Role::Muted,
    Role::Title,
    Role::Heading,
    Role::Key,
    Role::Accent,
    Role::Ok,
    Role::Info,
    Role::Warning,
    Role::Critical,
    Role::Running,
    Role::Frozen,
];

#[test]
fn every_shipped_theme_is_whole() {
    let names: Vec<&str> = shipped().iter().map(|theme| theme.name.as_str()).collect();
    assert_eq!(names, ["harbour", "daylight", "ember", "fjord", "contrast", "sixteen"]);
    for name in names {
        let source = shipped_source(name).expect("source");
        parse(name, source).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
    }
}

#[test]
fn what_is_read_has_contrast_on_every_ground() {
    for theme in shipped().iter().filter(|theme| theme.background != Colour::Terminal) {
        let least = if theme.name == "contrast" { 7.0 } else { 4.5 };
        let mut grounds = vec![("background", theme.background)];
        grounds.extend(theme.ink(Role::Selection).bg.map(|bg| ("selection", bg)));
        grounds.extend(theme.ink(Role::Float).bg.map(|bg| ("float", bg)));
        for (name, ground) in grounds {
            for role in READ {
                let Some(ratio) = theme.ink(role).fg.and_then(|fg| contrast(fg, ground)) else { continue };
                // Headings and titles never stand on a selection.
                if name == "selection" && matches!(role, Role::Heading | Role::Title) {
                    continue;
                }
                let least = if name == "background" { least } else { 4.2 };
                assert!(ratio >= least, "{}: {} on {name} has {ratio:.2}", theme.name, role.name());
            }
            let faint = theme.ink(Role::Faint).fg.and_then(|fg| contrast(fg, ground)).expect("colours");
            assert!(faint >= 2.4, "{}: faint on {name} has {faint:.2}", theme.name);
            for n in 0..8 {
                let ink = theme.ink(Role::Series(n)).fg;
                let ratio = ink.and_then(|fg| contrast(fg, theme.background)).expect("colours");
                assert!(ratio >= 3.0, "{}: series {n} has {ratio:.2}", theme.name);
            }
        }
    }
}

/// How a colour looks to someone who lacks red, green or blue cones: the matrices of Machado, Oliveira and Fernandes
/// (2009) at full severity, on linear light.
const DEFICIENCIES: [(&str, [[f64; 3]; 3]); 4] = [
    ("none", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protan",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deutan",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritan",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

fn lab((r, g, b): (u8, u8, u8), matrix: &[[f64; 3]; 3]) -> [f64; 3] {
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let rgb = [linear(r), linear(g), linear(b)];
    let seen = matrix.map(|row| (row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]).clamp(0.0, 1.0));
    let x = 0.4124 * seen[0] + 0.3576 * seen[1] + 0.1805 * seen[2];
    let y = 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2];
    let z = 0.0193 * seen[0] + 0.1192 * seen[1] + 0.9505 * seen[2];
    let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let (fx, fy, fz) = (f(x / 0.9505), f(y), f(z / 1.089));
    [116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)]
}

#[test]
fn series_stay_apart_for_the_colour_blind() {
    for theme in shipped().iter().filter(|theme| theme.background != Colour::Terminal) {
        for (name, matrix) in &DEFICIENCIES {
            let seen: Vec<[f64; 3]> = (0..8)
                .map(|n| lab(theme.ink(Role::Series(n)).fg.and_then(Colour::rgb).expect("colour"), matrix))
                .collect();
            for a in 0..8 {
                for b in a + 1..8 {
                    let apart: f64 = (0..3).map(|i| (seen[a][i] - seen[b][i]).powi(2)).sum::<f64>().sqrt();
                    // The first four are those that one mostly sees together.
                    let least = if b < 4 { 16.0 } else { 9.0 };
                    assert!(
                        apart >= least,
                        "{} ({name}): series {a} and {b} are {apart:.1} apart",
                        theme.name
                    );
                }
            }
        }
    }
}

/// The lines of percentiles stand beside the line of their limit in one chart.
#[test]
fn percentiles_are_told_from_their_limit() {
    let lines = [Role::Series(0), Role::Series(2), Role::Series(7)];
    for theme in shipped() {
        for depth in [Depth::True, Depth::Cube, Depth::Sixteen] {
            for role in lines {
                let (line, limit) = (theme.style(role, depth).fg, theme.style(Role::Warning, depth).fg);
                assert_ne!(line, limit, "{}: {role:?} at {depth:?}", theme.name);
            }
        }
        let colour = |role, matrix| theme.ink(role).fg.and_then(Colour::rgb).map(|rgb| lab(rgb, matrix));
        for (name, matrix) in &DEFICIENCIES {
            for role in lines {
                let (Some(a), Some(b)) = (colour(role, matrix), colour(Role::Warning, matrix)) else {
                    continue;
                };
                let apart: f64 = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
                assert!(
                    apart >= 12.0,
                    "{} ({name}): {role:?} and the limit are {apart:.1} apart",
                    theme.name
                );
            }
        }
    }
}

#[test]
fn sixteen_colours_keep_the_series_apart_too() {
    for theme in shipped() {
        let colours: std::collections::HashSet<Option<Color>> =
            (0..8).map(|n| theme.style(Role::Series(n), Depth::Sixteen).fg).collect();
        assert_eq!(colours.len(), 8, "{}", theme.name);
    }
}

#[test]
fn fewer_colours_keep_meanings_apart() {
    let apart = [Role::Ok, Role::Warning, Role::Critical, Role::Running, Role::Text, Role::Faint];
    for theme in shipped() {
        for depth in [Depth::True, Depth::Cube, Depth::Sixteen] {
            let styles: std::collections::HashSet<_> =
                apart.iter().map(|role| theme.style(*role, depth)).collect();
            assert_eq!(styles.len(), apart.len(), "{} at {depth:?}", theme.name);
            let selection = theme.style(Role::Selection, depth);
            assert!(
                selection != ratatui::style::Style::new() && selection.bg != theme.base(depth).bg,
                "{}",
                theme.name
            );
        }
    }
}

#[test]
fn without_colour_nothing_is_coloured_and_what_matters_still_stands_out() {
    for theme in shipped() {
        let look = Look::new(theme.clone(), Depth::None);
        for role in Role::ALL {
            let style = look.style(role);
            assert!(style.fg.is_none() && style.bg.is_none(), "{} {role:?}", theme.name);
        }
        assert_ne!(look.style(Role::Critical), look.style(Role::Text));
        assert_ne!(look.style(Role::Selection), look.style(Role::Text));
        assert!(look.base().fg.is_none() && look.base().bg.is_none());
    }
}

#[test]
fn mistakes_in_theme_files_are_told_with_their_place() {
    let source = shipped_source("harbour").expect("source");
    for (from, to, wanted) in [
        (
            "appearance = \"dark\"",
            "appearance = \"drak\"",
            "mine.toml:4:14: appearance is dark or light; write \"dark\" or \"light\"",
        ),
        (
            "warning = \"#f2b84b\"",
            "warnin = \"#f2b84b\"",
            "mine.toml:26:1: unknown key \"warnin\"; did you mean \"warning\"?",
        ),
        ("\"#7cc0e8\"", "\"bleu\"", "mine.toml:25:8: \"bleu\" is not a colour; did you mean \"blue\"?"),
        ("\"#7cc0e8\"", "7", "mine.toml:25:8: this is not a colour; write \"#rrggbb\" or a name"),
        ("bold = true", "bold = 1", "mine.toml:16:34: bold is on or off; write true or false"),
        ("series = [\"", "series = [] # \"", "mine.toml:8:10: 0 colours are too few; write at least 8"),
        ("[roles]", "[role]", "did you mean \"roles\"?"),
        ("name = \"harbour\"", "name = harbour", "mine.toml:2:8: "),
    ] {
        assert!(source.contains(from), "{from}");
        let mistakes = parse("mine.toml", &source.replacen(from, to, 1)).expect_err(to);
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains(wanted)), "{to}: {told:#?}");
    }
    let missing = parse("mine.toml", "name = \"x\"\n").expect_err("roles missing");
    assert!(missing.iter().any(|d| d.message.contains("\"critical\"")), "{missing:?}");
}

#[test]
fn a_theme_can_start_from_one_that_ships() {
    let mine = "name = \"mine\"\nbase = \"fjord\"\n[roles]\ncritical = \"#ff00ff\"\n";
    let theme = parse("mine.toml", mine).expect("theme");
    let fjord = shipped().iter().find(|theme| theme.name == "fjord").expect("fjord");
    assert_eq!(theme.ink(Role::Critical).fg, Some(Colour::Rgb(0xff, 0, 0xff)));
    assert_eq!(
        (theme.ink(Role::Text), theme.background, theme.name.as_str()),
        (fjord.ink(Role::Text), fjord.background, "mine")
    );
    let mistakes = parse("mine.toml", "name = \"mine\"\nbase = \"fjrod\"\n").expect_err("no such base");
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].to_string(), "mine.toml:2:8: no theme \"fjrod\" ships; did you mean \"fjord\"?");
}
