//! Both formats as a scraper meets them, and the conformance cases when they are there.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::path::PathBuf;

use proptest::prelude::*;
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_metrics::exposition::{Format, Item, Writer, parse, validate};
use quarterdeck_metrics::{Exemplar, MetricType};

fn conformance(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("QUARTERDECK_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: no conformance cases at {}; set QUARTERDECK_CONFORMANCE", path.display());
    None
}

fn samples(format: Format, page: &str) -> Result<Vec<(String, f64, Option<i64>)>, String> {
    parse(format, page.as_bytes())
        .filter_map(|item| match item {
            Ok(Item::Sample(s)) => {
                Some(Ok((s.to_labels().unwrap().to_string(), s.value, s.timestamp.map(Timestamp::as_millis))))
            }
            Ok(_) => None,
            Err(e) => Some(Err(e.to_string())),
        })
        .collect()
}

#[test]
fn openmetrics_conformance_cases_are_accepted_and_refused_as_they_should_be() {
    let Some(root) = conformance("openmetrics/parsers") else { return };
    let (mut good, mut bad, mut wrong) = (0, 0, Vec::new());
    for case in std::fs::read_dir(root).unwrap() {
        let case = case.unwrap().path();
        let about: serde_json::Value =
            serde_json::from_slice(&std::fs::read(case.join("test.json")).unwrap()).unwrap();
        let page = std::fs::read(case.join("metrics")).unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        match (about["shouldParse"].as_bool().unwrap(), validate(Format::OpenMetrics, &page)) {
            (true, Ok(_)) => good += 1,
            (false, Err(_)) => bad += 1,
            (true, Err(e)) => wrong.push(format!("{name}: refused: {e}")),
            (false, Ok(_)) => wrong.push(format!("{name}: accepted")),
        }
    }
    eprintln!("openmetrics: {good} accepted, {bad} refused, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((good, bad), (44, 167));
}

#[test]
fn textparse_pages_are_read_whole() {
    let Some(root) = conformance("textparse") else { return };
    for (file, format) in [
        ("1histogram.om.txt", Format::OpenMetrics),
        ("alltypes.5mfs.om.txt", Format::OpenMetrics),
        ("alltypes.237mfs.prom.txt", Format::Text),
        ("alltypes.237mfs.nometa.prom.txt", Format::Text),
    ] {
        let page = std::fs::read(root.join(file)).unwrap();
        let lines = page.split(|b| *b == b'\n').filter(|l| !l.is_empty() && l[0] != b'#').count();
        let mut count = 0;
        // Two of the pages are cut from longer ones and do not end with # EOF.
        let ended = page.ends_with(b"# EOF\n") || format == Format::Text;
        for item in parse(format, &page) {
            match item {
                Ok(Item::Sample(_)) => count += 1,
                Ok(_) => {}
                Err(e) => assert!(!ended && e.message.contains("# EOF"), "{file}: {e}"),
            }
        }
        assert_eq!(count, lines, "{file}");
        if format == Format::Text {
            assert_eq!(validate(format, &page).map(|summary| summary.samples), Ok(lines), "{file}");
        }
    }
}

#[test]
fn the_text_format_is_read_as_prometheus_reads_it() {
    let page = "# HELP a The \\\\ help\\n\"x\".\n# TYPE a counter\n\n  # a remark\n#HELP b no\n# HELP c\n\
        a 1\na{ b = \"c\\\"d\" , } 2.5 1700000000000\n a {} +Inf\na{b=\"}\"}3\n{\"my.name\",\"k.x\"=\"v\"} -1e-3";
    assert_eq!(
        samples(Format::Text, page).unwrap(),
        [
            ("a".to_owned(), 1.0, None),
            ("a{b=\"c\\\"d\"}".to_owned(), 2.5, Some(1_700_000_000_000)),
            ("a".to_owned(), f64::INFINITY, None),
            ("a{b=\"}\"}".to_owned(), 3.0, None),
            ("{\"my.name\", \"k.x\"=\"v\"}".to_owned(), -0.001, None),
        ]
    );
    let items: Vec<_> = parse(Format::Text, page.as_bytes()).take(3).map(Result::unwrap).collect();
    assert_eq!(items[0], Item::Help { name: "a".into(), text: "The \\ help\n\"x\".".into() });
    assert_eq!(items[1], Item::Type { name: "a".into(), kind: MetricType::Counter });
    assert_eq!(items[2], Item::Help { name: "c".into(), text: "".into() });
}

#[test]
fn a_text_page_is_checked_for_doubles_and_order() {
    for (page, told) in [
        ("# TYPE a counter\na 1\nb 2\nb{x=\"y\"} 2\nb 2 5\n", None),
        ("a 1\na{x=\"\"} 2\n", Some("line 2, column 1: a{x=\"\"} stands twice")),
        ("# TYPE a counter\n# TYPE a gauge\n", Some("line 2, column 1: # TYPE of \"a\" stands twice")),
        (
            "a_bucket{le=\"1\"} 1\n# TYPE a histogram\n",
            Some("line 2, column 1: # TYPE of \"a\" stands after its samples: put it before them"),
        ),
    ] {
        let verdict = validate(Format::Text, page.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(verdict.err().as_deref(), told, "{page:?}");
    }
}

#[test]
fn a_series_is_shown_exactly_as_written() {
    let page = "http_requests_total{code=\"200\"} 5\nup 1\n";
    let series: Vec<_> = parse(Format::Text, page.as_bytes())
        .map(|item| match item.unwrap() {
            Item::Sample(s) => s.series,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(series, ["http_requests_total{code=\"200\"}", "up"]);
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (format, page, told) in [
        (
            Format::Text,
            "a 1\nbé 2\n",
            "line 2, column 2: found 'é' in a metric name (letters, digits, _ and :)",
        ),
        (Format::Text, "a{b=\"c} 1\n", "line 1, column 5: the quote is not closed in this line"),
        (
            Format::Text,
            "a{b=\"é\",1=\"c\"} 1\n",
            "line 1, column 9: found '1' where a label name or } belongs",
        ),
        (
            Format::Text,
            "a x\n",
            "line 1, column 3: \"x\" is not a value: write a decimal number, +Inf, -Inf or NaN",
        ),
        (
            Format::Text,
            "a 1 1.5\n",
            "line 1, column 5: \"1.5\" is not a timestamp: write whole milliseconds since 1970",
        ),
        (Format::Text, "a 1 1 1\n", "line 1, column 7: found '1' where the line should end"),
        (
            Format::Text,
            "a\n",
            "line 1, column 2: found the end of the line in a metric name (letters, digits, _ and :)",
        ),
        (
            Format::Text,
            "# TYPE a meh\n",
            "line 1, column 10: \"meh\" is not a metric type: write counter, gauge, histogram, summary or untyped",
        ),
        (
            Format::Text,
            "{a=\"b\"} 1\n",
            "line 1, column 1: the series has no name: write it before { or quoted as the first thing in it",
        ),
        (
            Format::OpenMetrics,
            "a 1\n",
            "line 2, column 1: the page does not end with # EOF: it was cut off, or it is not OpenMetrics",
        ),
        (Format::OpenMetrics, "a  1\n# EOF\n", "line 1, column 3: found ' ' where a value belongs"),
    ] {
        assert_eq!(samples(format, page).unwrap_err(), told, "{page:?}");
    }
}

#[test]
fn what_precedes_a_byte_that_is_not_utf_8_is_read() {
    let page = b"a 1\nb{c=\"\xff\"} 2\nd 3\n";
    let got: Vec<_> = parse(Format::Text, page).collect();
    assert_eq!(got.len(), 2);
    assert_eq!(
        got[1].as_ref().unwrap_err().to_string(),
        "line 2, column 6: byte 0xff is not UTF-8: names and values are UTF-8"
    );
}

#[test]
fn a_repeated_label_is_an_error_of_its_series() {
    let page = b"a{b=\"1\",b=\"2\"} 1\n";
    let Some(Ok(Item::Sample(sample))) = parse(Format::Text, page).next() else { panic!("no sample") };
    assert_eq!(
        sample.to_labels().unwrap_err().to_string(),
        "label \"b\" stands twice in a{b=\"1\",b=\"2\"}: name each label once"
    );
}

#[test]
fn exemplars_and_units_are_read() {
    let page = b"# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
        a_seconds_bucket{le=\"+Inf\"} 1 5 # {trace_id=\"x y\"} 0.5 4.25\n# EOF\n";
    let items: Vec<_> = parse(Format::OpenMetrics, page).map(Result::unwrap).collect();
    assert_eq!(items[1], Item::Unit { name: "a_seconds".into(), unit: "seconds" });
    let Item::Sample(sample) = &items[2] else { panic!("{items:?}") };
    assert_eq!(sample.timestamp, Some(Timestamp::from_millis(5000)));
    let exemplar = sample.exemplar.unwrap().to_exemplar(Timestamp::default());
    assert_eq!(exemplar.labels, Labels::from_pairs([("trace_id", "x y")]));
    assert_eq!((exemplar.v, exemplar.t), (0.5, Timestamp::from_millis(4250)));
}

fn any_text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-z\"\\\\\n{},= é#\u{202e}]{1,12}").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_the_reader_panic(page in proptest::collection::vec(any::<u8>(), 0..400)) {
        for format in [Format::Text, Format::OpenMetrics] {
            for item in parse(format, &page) {
                if let Ok(Item::Sample(sample)) = item {
                    let _labels = sample.to_labels();
                }
            }
            let _verdict = validate(format, &page);
        }
    }

    #[test]
    fn nearly_lawful_pages_do_not_make_it_panic(
        page in "([a-c:]{0,2}(\\{[a\"=\\\\,} ]{0,8}\\}?)? ?[0-9.eNIanf+-]{0,5}( #)?( \\{\\})?[ \n]|# (TYPE|HELP|UNIT|EOF) ?a? ?(counter)?\n){0,12}",
    ) {
        for format in [Format::Text, Format::OpenMetrics] {
            for item in parse(format, page.as_bytes()) {
                if let Ok(Item::Sample(sample)) = item {
                    let _labels = sample.to_labels();
                }
            }
            let _verdict = validate(format, page.as_bytes());
        }
    }

    #[test]
    fn what_is_written_reads_back(
        name in any_text(), label in any_text(), value in any_text(), help in any_text(),
        bits in any::<u64>(), t in -1_000_000_000_000_000i64..1_000_000_000_000_000,
        open_metrics in any::<bool>(),
    ) {
        let format = if open_metrics { Format::OpenMetrics } else { Format::Text };
        let v = f64::from_bits(bits);
        let exemplar = Exemplar { labels: Labels::from_pairs([("trace_id", value.as_str())]), v: 0.25, t: Timestamp::from_millis(1500) };
        let mut writer = Writer::new(format);
        writer.family(&name, MetricType::Gauge, &help);
        writer.sample(&name, [(label.as_str(), value.as_str())], v, Some(Timestamp::from_millis(t)), Some(&exemplar));
        let page = writer.finish();
        let items: Vec<_> = parse(format, page.as_bytes()).collect::<Result<_, _>>().map_err(|e| TestCaseError::fail(format!("{e}: {page:?}")))?;
        let help_read = match &items[0] { Item::Help { name, text } => (name.to_string(), text.to_string()), other => panic!("{other:?}") };
        let blank_led = help.starts_with([' ', '\t']) && !open_metrics;
        prop_assert_eq!(&help_read.0, &name);
        if !blank_led { prop_assert_eq!(&help_read.1, &help); }
        let Item::Sample(sample) = &items[2] else { panic!("{items:?}") };
        prop_assert_eq!(sample.to_labels().unwrap(), Labels::from_pairs([("__name__", name.as_str()), (label.as_str(), value.as_str())]));
        prop_assert!(sample.value.to_bits() == bits || sample.value.is_nan() && v.is_nan());
        if !open_metrics { prop_assert_eq!(sample.timestamp, Some(Timestamp::from_millis(t))); }
        prop_assert_eq!(sample.exemplar.is_some(), open_metrics);
    }
}
