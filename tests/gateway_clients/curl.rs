//! curl, over HTTP/1.1 and HTTP/2.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::support::eventually;
use super::support::peers::command;
use super::{Gateway, ONE_SERVICE, large};

/// Both ways to ask, and what curl calls the answer.
const WAYS: [(&str, &str); 2] = [("--http1.1", "HTTP/1.1"), ("--http2-prior-knowledge", "HTTP/2")];

/// What curl writes; it must end well.
fn curl(args: &[&str]) -> Option<Vec<u8>> {
    let out = command("curl")?.args(["-sS", "--max-time", "60"]).args(args).output().expect("curl runs");
    assert!(out.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    Some(out.stdout)
}

fn text(args: &[&str]) -> Option<String> {
    Some(String::from_utf8(curl(args)?).expect("text"))
}

#[test]
fn curl_gets_what_a_new_user_serves() {
    let Some(gateway) = Gateway::site() else { return };
    let url = |path: &str| format!("{}{path}", gateway.url);
    for (way, version) in WAYS {
        let Some(answer) = text(&[way, "-i", &url("/who")]) else { return };
        assert!(answer.starts_with(&format!("{version} 200")), "{answer}");
        assert!(answer.to_lowercase().contains("\nserver: simplehttp/"), "{answer}");
        assert!(answer.ends_with("\r\n\r\none"), "{answer}");

        let head = text(&[way, "-I", &url("/large")]).expect("curl");
        assert!(head.starts_with(&format!("{version} 200")), "{head}");
        assert!(head.to_lowercase().contains("content-length: 5000000\r\n"), "{head}");
        assert_eq!(curl(&[way, &url("/large")]).expect("curl"), large(), "{way}");

        // What the server says itself comes through: its errors, and where it sends on to.
        let missing = text(&[way, "-w", "%{http_code}", &url("/nowhere")]).expect("curl");
        assert!(missing.contains("File not found") && missing.ends_with("404"), "{missing}");
        let moved = text(&[way, "-i", &url("/folder")]).expect("curl").to_lowercase();
        assert!(moved.contains(" 301") && moved.contains("\nlocation: /folder/\r\n"), "{moved}");
        assert_eq!(text(&[way, &url("/folder/")]).expect("curl"), "<p>a folder</p>");
        let wrong = text(&[way, "-X", "DELETE", "-w", "%{http_code}", &url("/who")]).expect("curl");
        assert!(wrong.ends_with("501"), "{wrong}");
    }
}

/// HTTP/2 is chosen by the handshake here: curl 7.88, which Debian has, breaks connections of prior knowledge that it uses again.
#[test]
fn one_connection_carries_many_of_curls_requests() {
    let tls = |name: &str| format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let secure = super::free();
    let config = format!(
        "{ONE_SERVICE}[gateway.listeners.secure]\naddress = \"127.0.0.1:{secure}\"\ntls = {{ cert = {:?}, key = {:?} }}\n",
        tls("server.pem"),
        tls("server.key")
    );
    let Some(gateway) = Gateway::before("service.py", &[], &config) else { return };
    let secure = format!("https://127.0.0.1:{secure}");
    for (base, version) in [(&gateway.url, "1.1"), (&secure, "2")] {
        let (ca, url) = (tls("ca.pem"), format!("{base}/packed"));
        let mut args = vec!["--cacert", &ca, "-w", "%{num_connects} %{http_version} %{http_code}\n"];
        args.extend(["-o", "/dev/null", &url].repeat(5));
        let Some(lines) = text(&args) else { return };
        let told: Vec<String> = [1, 0, 0, 0, 0].map(|connects| format!("{connects} {version} 200")).to_vec();
        assert_eq!(lines.lines().collect::<Vec<_>>(), told);
    }
}

#[test]
fn curl_sends_and_takes_what_it_likes() {
    let Some(gateway) = Gateway::before("service.py", &[], ONE_SERVICE) else { return };
    let url = |path: &str| format!("{}{path}", gateway.url);
    let file = gateway.home.path("upload");
    std::fs::write(&file, large()).expect("a file");
    let whole = format!("@{}", file.display());
    let sum = std::process::Command::new("sha256sum").arg(&file).output().expect("sha256sum runs").stdout;
    let sum = String::from_utf8(sum).expect("text").split(' ').next().unwrap_or_default().to_owned();
    let taken = format!("5000000 {sum}");
    for (way, version) in WAYS {
        // curl asks first whether it may (100-continue) where a body is large.
        let Some(posted) = text(&[way, "--data-binary", &whole, &url("/upload")]) else { return };
        assert_eq!(posted, taken, "{way}");
        let put = text(&[way, "-T", &file.display().to_string(), &url("/upload")]).expect("curl");
        assert_eq!(put, taken, "{way}");
        // From a pipe, whose length nobody knows: in chunks, or as HTTP/2 has it.
        let mut piped = command("curl").expect("curl");
        piped.args(["-sS", way, "-T", "-", &url("/upload")]);
        let out = piped.stdin(File::open(&file).expect("a file")).output().expect("curl runs");
        assert_eq!(String::from_utf8_lossy(&out.stdout), taken, "{way}");

        let part = text(&[way, "-i", "-r", "12-22", &url("/")]).expect("curl");
        assert!(part.starts_with(&format!("{version} 206")), "{part}");
        assert!(part.to_lowercase().contains("content-range: bytes 12-22/12000\r\n"), "{part}");
        assert!(part.ends_with("\r\n\r\nquarterdeck"), "{part}");

        // What is packed stays packed on its way, and whoever did not ask for it gets it plain.
        let plain = curl(&[way, &url("/packed")]).expect("curl");
        assert_eq!(plain.len(), 12_000);
        assert_eq!(curl(&[way, "--compressed", &url("/packed")]).expect("curl"), plain);
        let packed = curl(&[way, "-H", "Accept-Encoding: gzip", &url("/packed")]).expect("curl");
        assert_eq!((&packed[..2], packed.len() < 200), (&b"\x1f\x8b"[..], true), "{} bytes", packed.len());
    }
}

#[test]
fn shares_change_under_a_curl_that_goes_on() {
    let Some(gateway) = Gateway::site() else { return };
    let (done, ten) = (AtomicBool::new(false), format!("{}/who?[1-10]", gateway.url));
    /// However the test ends, the asking does too.
    struct Until<'a>(&'a AtomicBool);
    impl Drop for Until<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (sender, answers) = mpsc::channel();
    let split = |shares: &[&str]| {
        let (code, out, error) = gateway.home.run(&[&["act", "gateway.split", "site"], shares].concat());
        assert_eq!(code, 0, "{out}{error}");
    };
    std::thread::scope(|scope| {
        let (asking, done, _until) = (&ten, &done, Until(&done));
        scope.spawn(move || {
            // Not one request may fail (-f), whatever becomes of the shares.
            while !done.load(Ordering::SeqCst) {
                let Some(answer) = text(&["-f", "-w", "\n", asking]) else { return };
                if sender.send(answer).is_err() {
                    return;
                }
            }
        });
        // Asked anew as long as it takes: what is on its way was sent with the shares of then.
        let see = |what: &str, wanted: &dyn Fn(&str) -> bool| {
            eventually(what, || answers.try_iter().find(|answer| wanted(answer)));
        };
        if answers.recv().is_ok() {
            see("all are of the first", &|answer| !answer.contains("two"));
            split(&["v1=50", "v2=50"]);
            see("both take part", &|answer| answer.contains("one") && answer.contains("two"));
            split(&["v1=0", "v2=100"]);
            // From the next request on, and for good.
            for _ in 0..20 {
                assert_eq!(text(&[&format!("{}/who", gateway.url)]).as_deref(), Some("two"));
            }
            see("all are of the second", &|answer| !answer.contains("one"));
        }
    });
    let told =
        gateway.server.timeline().iter().filter(|e| e["summary"].to_string().contains("traffic")).count();
    assert!(told == 2 || command("curl").is_none(), "{told} changes on the timeline");
}
