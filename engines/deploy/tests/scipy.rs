//! The judge's statistics against SciPy's on generated data: samples of several shapes and sizes, with and without ties.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quarterdeck_deploy::judge::{CONFIDENCE, OUTLIER_FACTOR, normal, rank, without_outliers};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How far an answer may be from SciPy's, relative to its size or to 1.
const TOLERANCE: f64 = 1e-9;
const SEED: u64 = 20_261_122;
const CASES: usize = 300;

#[derive(Serialize)]
struct Case {
    stable: Vec<f64>,
    new: Vec<f64>,
    confidence: f64,
    z: f64,
    q: f64,
}

#[derive(Deserialize)]
struct Answer {
    u: f64,
    p: f64,
    shift: f64,
    lower: f64,
    upper: f64,
    kept: usize,
    tail: f64,
    quantile: f64,
}

fn peers() -> PathBuf {
    std::env::var_os("QUARTERDECK_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"), PathBuf::from)
}

/// Python with SciPy: the system's, or its own copy beside the build.
fn python() -> Option<Command> {
    let has = |python: &mut Command| {
        python
            .args(["-c", "import scipy.stats"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    let folder = peers().join("scipy");
    let with = || {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", &folder);
        python
    };
    if has(&mut Command::new("python3")) {
        return Some(Command::new("python3"));
    }
    if !folder.join("scipy").is_dir() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--target"]).arg(&folder).arg("scipy");
        let _ = pip.stdin(Stdio::null()).output();
    }
    has(&mut with()).then(with)
}

fn cases() -> Vec<Case> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    (0..CASES)
        .map(|number| {
            let sizes = (random.random_range(2..80), random.random_range(2..80));
            let shift = random.random_range(-2.0..2.0);
            let scale = [1.0, 0.001, 1000.0][number % 3];
            let mut sample = |n: usize, shift: f64| -> Vec<f64> {
                (0..n)
                    .map(|_| match number % 5 {
                        // Skewed, as latencies are.
                        0 => -(1.0 - random.random_range(0.0..1.0_f64)).ln() + shift,
                        // Few values: many ties.
                        1 => f64::from(random.random_range(0..5)) + shift.round(),
                        // Mostly zero, as errors are.
                        2 => f64::from(random.random_range(0..10) / 9) + if shift > 1.0 { 1.0 } else { 0.0 },
                        // With outliers.
                        3 => {
                            let far = random.random_range(0..20) == 0;
                            random.random_range(0.0..3.0) * if far { 50.0 } else { 1.0 } + shift
                        }
                        _ => random.random_range(0.0..3.0) + shift,
                    })
                    .map(|v| v * scale)
                    .collect()
            };
            let (stable, new) = (sample(sizes.0, 0.0), sample(sizes.1, shift));
            let (z, q) = (random.random_range(-8.0..8.0), random.random_range(1e-9..1.0));
            Case { stable, new, confidence: CONFIDENCE, z, q }
        })
        .filter(|case| rank::compare(&case.stable, &case.new, CONFIDENCE).is_some())
        .collect()
}

#[test]
fn statistics_agree_with_scipy() {
    let Some(mut python) = python() else {
        eprintln!("SKIPPED: Python's SciPy is not here: the judge's statistics are not compared with it");
        return;
    };
    let cases = cases();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judged_by_scipy.py");
    let mut child = python
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let question = serde_json::to_vec(&cases).expect("JSON");
    let told = child.stdin.take().expect("its input").write_all(&question);
    let out = child.wait_with_output().expect("an answer");
    assert!(told.is_ok() && out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let answers: Vec<Answer> = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(answers.len(), cases.len());
    let mut worst = 0.0_f64;
    for (number, (case, wanted)) in cases.iter().zip(&answers).enumerate() {
        let found = rank::compare(&case.stable, &case.new, CONFIDENCE).expect("a comparison");
        let size = case.stable.iter().chain(&case.new).fold(0.0_f64, |a, v| a.max(v.abs()));
        for (what, ours, theirs, size) in [
            ("U", found.u, wanted.u, wanted.u),
            ("p", found.p_value, wanted.p, wanted.p),
            ("shift", found.shift, wanted.shift, size),
            ("lower end", found.lower, wanted.lower, size),
            ("upper end", found.upper, wanted.upper, size),
            ("tail", normal::tail(case.z), wanted.tail, wanted.tail),
            ("quantile", normal::quantile(case.q), wanted.quantile, 1.0),
        ] {
            let off = (ours - theirs).abs() / size.abs().max(f64::MIN_POSITIVE);
            assert!(
                off <= TOLERANCE || ours == theirs,
                "seed {SEED}, case {number}, {what}: {ours}, SciPy says {theirs}\nstable {:?}\nnew {:?}",
                case.stable,
                case.new
            );
            worst = worst.max(if ours == theirs { 0.0 } else { off });
        }
        let kept = without_outliers(&case.stable, OUTLIER_FACTOR).len();
        assert_eq!(kept, wanted.kept, "seed {SEED}, case {number}: values that are no outliers");
    }
    eprintln!("scipy: {} comparisons agree to {worst:.1e}", answers.len());
}
