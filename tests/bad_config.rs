//! Bad configurations and the messages they get: each `tests/bad_config/NAME.toml` has its `NAME.expected`.
//!
//! With QUARTERDECK_BLESS=1 the expectations are written anew, to be read before they are committed.

mod support;

use std::path::{Path, PathBuf};

use support::Home;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_config")
}

/// Copies the corpus beside each other, so that messages name files as an operator in that folder would.
fn laid_out(home: &Home) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(corpus()).expect("the corpus").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "toml" || e == "yml") {
            let name = entry.file_name().to_string_lossy().into_owned();
            std::fs::copy(&path, home.path("work").join(&name)).expect("a copy");
            names.push(name);
        }
    }
    names.sort();
    names
}

#[test]
fn every_bad_file_is_refused_with_its_message() {
    let home = Home::new();
    let names = laid_out(&home);
    assert!(names.len() >= 25, "{names:?}");
    let bless = std::env::var_os("QUARTERDECK_BLESS").is_some();
    let mut differing = Vec::new();
    for name in &names {
        let (code, out, error) = home.run(&["check", name]);
        assert_eq!((code, out.as_str()), (3, ""), "{name} is refused: {error}");
        let expected = corpus().join(name).with_extension("expected");
        if bless {
            std::fs::write(&expected, &error).expect("the expectation");
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        if error != wanted {
            differing.push(format!("{name}\n  wanted {wanted}\n  given  {error}"));
        }
        // Whatever it is, the message has a place.
        assert!(error.starts_with(name.as_str()), "{name}: {error}");
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn nothing_starts_with_a_bad_file() {
    let home = Home::new();
    laid_out(&home);
    for command in [&["serve"][..], &[]] {
        let mut args = command.to_vec();
        args.extend(["--listen", "127.0.0.1:0", "--config", "unknown_key.toml"]);
        let (code, _, error) = home.run(&args);
        assert_eq!(code, 1, "{args:?}: {error}");
        assert!(
            error.contains("unknown_key.toml:4:1") && error.contains("did you mean \"interval\"?"),
            "{error}"
        );
    }
    home.deserted();
}

#[test]
fn variables_overlays_and_prometheus_files_have_places_too() {
    let home = Home::new();
    laid_out(&home);
    let mut command = home.command(&["check"]);
    command.env("QUARTERDECK_SCRAPE__INTERVALL", "1s");
    let out = command.output().expect("the program runs");
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(error.contains("QUARTERDECK_SCRAPE__INTERVALL") && error.contains("interval"), "{error}");

    let (code, _, error) = home.run(&["check", "--environment", "prod"]);
    assert_ne!(code, 0);
    assert!(error.contains("prod"), "{error}");

    let yml = "global:\n  scrape_intervall: 5s\n";
    let file = home.file("work/prometheus.yml", yml);
    assert!(file.exists());
    let (code, _, error) = home.run(&["check", "prometheus.yml"]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("prometheus.yml") && error.contains("scrape_intervall"), "{error}");
}
