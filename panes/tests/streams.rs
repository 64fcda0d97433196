//! The feeds: keys in, effects and screens out.

mod support;

use std::sync::Arc;

use quarterdeck_kernel::SubjectKind;
use quarterdeck_panes::streams::Streams;
use quarterdeck_panes::world::{Answer, Query, World};
use quarterdeck_streams::model::{FeedView, Row};
use quarterdeck_streams::{Cell, Snapshot};
use quarterdeck_ui::{Click, Effect, Event, Pane};
use quarterdeck_widgets::Look;
use support::{NOW, Stage, empty_world, fills, quotes, subject, world};

fn sizes(name: &str, stage: impl Fn((u16, u16)) -> Stage) {
    for (width, height) in [(80, 20), (120, 36), (200, 56)] {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), stage((width, height)).screen());
    }
}

/// A pane with quotes selected.
fn at_quotes(size: (u16, u16)) -> Stage {
    let mut stage = Stage::new(Streams::new(), world(), size);
    stage.keys("down");
    stage
}

/// The same feed with more rows behind the ones there were.
fn grown(feed: &FeedView, more: u64) -> Arc<FeedView> {
    let old: Vec<Row> = feed.rows.iter().cloned().collect();
    let last = old.last().map_or(0, |r| r.id);
    let template = old.last().cloned();
    let new = (1..=more).filter_map(|n| Some(Row { id: last + n, ..template.clone()? }));
    Arc::new(FeedView { rows: old.into_iter().chain(new).collect(), ..feed.clone() })
}

fn with_feeds(stage: &mut Stage, feeds: Vec<Arc<FeedView>>) {
    stage.world.streams = Arc::new(Snapshot { version: 2, taken: NOW, feeds });
}

#[test]
fn feeds_with_rate_and_rows() {
    sizes("feeds", at_quotes);
}

#[test]
fn into_the_rows_with_the_message_in_full() {
    sizes("rows", |size| {
        let mut stage = at_quotes(size);
        stage.keys("enter down down");
        stage
    });
}

#[test]
fn a_feed_that_does_not_connect_says_why() {
    let stage = Stage::new(Streams::new(), world(), (80, 20));
    insta::assert_snapshot!("waiting", stage.screen());
}

#[test]
fn no_feed_shows_the_lines_that_add_one() {
    let stage = Stage::new(Streams::new(), empty_world(), (80, 20));
    insta::assert_snapshot!("none", stage.screen());
    assert!(stage.hints().is_empty() && stage.selection().is_none());
}

#[test]
fn enter_goes_in_and_escape_comes_back() {
    let mut stage = at_quotes((120, 36));
    assert_eq!(stage.selection().as_deref(), Some("stream:quotes"));
    stage.keys("enter");
    assert!(stage.screen().contains("message 300"), "{}", stage.screen());
    assert!(stage.keys("esc").is_empty());
    assert!(matches!(stage.keys("esc").as_slice(), [Effect::Back]));
}

#[test]
fn the_newest_row_is_followed_until_one_reads() {
    let mut stage = at_quotes((120, 36));
    stage.keys("enter");
    let feed = grown(&quotes(), 5);
    with_feeds(&mut stage, vec![fills(), feed.clone()]);
    stage.passes(33);
    assert!(stage.screen().contains("message 305"), "{}", stage.screen());
    stage.keys("down");
    assert!(stage.screen().contains("message 304"));
    with_feeds(&mut stage, vec![fills(), grown(&feed, 3)]);
    stage.passes(33);
    assert!(stage.screen().contains("message 304"), "the selection stays on its row");
    // Neither a filter nor its end takes the eye off the row that is read.
    for (symbol, shown) in [("acme", "83 of 308"), ("", "308 rows")] {
        stage.keys("/ ctrl-u");
        stage.types(symbol);
        stage.keys("enter");
        let screen = stage.screen();
        assert!(screen.contains("message 304") && screen.contains(shown), "{symbol:?}: {screen}");
    }
    stage.keys("f");
    assert!(stage.screen().contains("message 308"));
    // What is followed comes and goes; the rest of the ring moves on without it.
    stage.keys("down");
    with_feeds(&mut stage, vec![fills(), grown(&feed, 40)]);
    stage.passes(33);
    assert!(stage.screen().contains("message 307"), "{}", stage.screen());
}

#[test]
fn rows_are_filtered_by_column_and_sorted() {
    let mut stage = at_quotes((120, 36));
    stage.keys("/");
    stage.types("symbol:acme");
    stage.keys("enter");
    let screen = stage.screen();
    assert!(screen.contains("75 of 300") && !screen.contains("GLOBEX"), "{screen}");
    stage.keys("s s s");
    assert!(stage.screen().contains("sorted"), "{}", stage.screen());
    stage.keys("esc");
    assert!(!stage.screen().contains(" of 300"), "the first Esc clears the filter: {}", stage.screen());
}

#[test]
fn messages_and_metrics_are_a_key_away() {
    let mut stage = at_quotes((120, 36));
    assert!(matches!(stage.keys("M").as_slice(), [Effect::Copy(text)] if text.starts_with("{\"seq\":300")));
    let effects = stage.keys("m");
    let [Effect::Go(series)] = effects.as_slice() else { panic!("another effect was wanted") };
    assert_eq!((series.kind, series.id.as_str()), (SubjectKind::Series, "quote_bid{stream=\"quotes\"}"));
    let mut stage = Stage::new(Streams::new(), world(), (80, 20));
    assert!(matches!(stage.keys("m").as_slice(), [Effect::Toast(..)]), "fills makes no series");
}

#[test]
fn deep_links_wait_for_their_feed() {
    let mut stage = Stage::new(Streams::new(), empty_world(), (80, 20));
    stage.event(Event::Open(&subject(SubjectKind::Stream, "quotes")));
    with_feeds(&mut stage, vec![fills()]);
    stage.passes(33);
    assert_ne!(stage.selection().as_deref(), Some("stream:fills"), "nobody asked for that one");
    with_feeds(&mut stage, vec![fills(), quotes()]);
    stage.passes(33);
    assert_eq!(stage.selection().as_deref(), Some("stream:quotes"));
}

#[test]
fn who_moves_while_a_deep_link_waits_stays_there() {
    let mut stage = Stage::new(Streams::new(), empty_world(), (80, 20));
    stage.event(Event::Open(&subject(SubjectKind::Stream, "quotes")));
    with_feeds(&mut stage, vec![fills()]);
    stage.passes(33);
    stage.keys("j");
    assert_eq!(stage.selection().as_deref(), Some("stream:fills"));
    with_feeds(&mut stage, vec![fills(), quotes()]);
    stage.passes(33);
    assert_eq!(stage.selection().as_deref(), Some("stream:fills"));
}

#[test]
fn the_mouse_selects_and_goes_in() {
    let mut stage = Stage::new(Streams::new(), world(), (120, 36));
    stage.click("feeds", Click::Press, (5, 2));
    assert_eq!(stage.selection().as_deref(), Some("stream:quotes"));
    stage.click("rows", Click::Press, (5, 4));
    assert!(stage.screen().contains("message 297"), "{}", stage.screen());
    stage.click("rows", Click::ScrollDown, (5, 4));
}

#[test]
fn many_rows_stay_whole_while_they_are_arranged() {
    let mut stage = at_quotes((120, 36));
    let many = grown(&quotes(), 200_000);
    with_feeds(&mut stage, vec![many.clone()]);
    let effects = stage.passes(33);
    let job = effects.iter().find_map(|e| match e {
        Effect::Query { slot: "arrange", query: Query::Arrange(job) } => Some(job.clone()),
        _ => None,
    });
    let job = job.expect("too many to arrange at once");
    assert!(stage.screen().contains("300 rows"), "what was there stays");
    assert!(stage.passes(33).is_empty(), "one at a time");
    stage.answer("arrange", Ok(Answer::Arrange(quarterdeck_widgets::table::arrange(&*job.rows, &job.spec))));
    assert!(stage.screen().contains("200 300 rows"), "{}", stage.screen());
    stage.passes(33);
    stage.answer("arrange", Err("given up with Esc".to_owned()));
    stage.answer("arrange", Ok(Answer::Names(Vec::new())));
    assert!(stage.screen().contains("200 300 rows"));
}

#[test]
fn hostile_messages_do_not_reach_the_terminal() {
    let mut stage = at_quotes((120, 36));
    let row = Row {
        id: 1,
        received: NOW,
        sent: None,
        cells: vec![Cell::Text("\u{1b}[2J\u{202e}x".into()), Cell::Missing, Cell::Composite].into(),
        raw: "{\"a\":\"\u{1b}]52;c;aGk=\u{7}\u{202e}\n\t\"".into(),
        bytes: 1 << 30,
    };
    let feed = FeedView { rows: [row].into_iter().collect(), ..(*quotes()).clone() };
    with_feeds(&mut stage, vec![Arc::new(feed)]);
    stage.passes(33);
    stage.keys("enter");
    let (buffer, _) = stage.draw();
    assert!(buffer.content.iter().all(|c| !c.symbol().chars().any(|c| c.is_control() || c == '\u{202e}')));
    assert!(stage.screen().contains("of 1 GiB"), "{}", stage.screen());
    stage.draws_everywhere();
}

#[test]
fn every_size_every_look_every_mode() {
    for theme in ["harbour", "daylight", "contrast", "sixteen"] {
        let mut stage = at_quotes((80, 20));
        stage.look = Look::named(theme);
        for keys in ["enter", "/", "x", "esc", "c", "esc", "esc", "up", "down", "f"] {
            stage.keys(keys);
            stage.draws_everywhere();
        }
        with_feeds(&mut stage, Vec::new());
        stage.passes(33);
        stage.draws_everywhere();
    }
    let mut pane = Streams::new();
    pane.restore("nonsense");
    assert!(Pane::<World>::remember(&pane).is_some());
}
