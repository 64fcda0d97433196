use super::*;

#[test]
fn pieces_become_lines_and_a_long_one_is_cut() {
    let mut lines = Lines::default();
    let mut found = Vec::new();
    for piece in [&b"one\r\ntw"[..], b"o\n\n\xff", &[b'x'; LONGEST_LINE], b"yy\nend"] {
        lines.take(piece, |line| found.push(line));
    }
    found.extend(lines.last());
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(found[..3], ["one", "two", ""]);
    assert!(found[3].starts_with("\u{fffd}xxx") && found[3].ends_with("x … (3 bytes more)"), "{}", found[3]);
    assert_eq!(found[4], "end");
    assert_eq!(lines.last(), None);
}

#[test]
fn the_newest_lines_are_kept() {
    let tail = Tail::new(3);
    for n in 0..5 {
        tail.push(Timestamp::from_millis(n), Source::Out, n.to_string());
    }
    let text = |lines: Vec<OutputLine>| lines.into_iter().map(|l| l.text).collect::<Vec<_>>();
    assert_eq!(text(tail.newest(2)), ["3", "4"]);
    assert_eq!(text(tail.newest(9)), ["2", "3", "4"]);
}

#[test]
fn a_full_file_is_put_aside_and_only_so_many_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/a.log");
    let mut file = Rotating::open(&path, 10, 2).unwrap();
    for n in 0..5 {
        file.write(format!("line-{n}\n").as_bytes()).unwrap();
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join("logs").join(name)).ok();
    assert_eq!(read("a.log").as_deref(), Some("line-4\n"));
    assert_eq!(read("a.log.1").as_deref(), Some("line-3\n"));
    assert_eq!(read("a.log.2").as_deref(), Some("line-2\n"));
    assert_eq!(read("a.log.3"), None);
    // A new run goes on where the old one ended.
    Rotating::open(&path, 20, 2).unwrap().write(b"more\n").unwrap();
    assert_eq!(read("a.log").as_deref(), Some("line-4\nmore\n"));
}

#[test]
fn a_file_that_another_writes_is_followed_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let mut writer = appending(&path).unwrap();
    let mut follow = Follow::new(&path, 20, 1, 0, None);
    let mut found = Vec::new();
    writer.write_all(b"one\ntwo\nth").unwrap();
    follow.read(|line| found.push(line)).unwrap();
    writer.write_all(b"ree\nfour and more\n").unwrap();
    assert!(follow.read(|line| found.push(line)).unwrap(), "it is cut");
    assert_eq!(found, ["one", "two", "three", "four and more"]);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "it was full");
    writer.write_all(b"five\n").unwrap();
    follow.read(|line| found.push(line)).unwrap();
    assert_eq!(found.last().map(String::as_str), Some("five"));
    let aside = std::fs::read_to_string(folder.path().join("a.log.1")).unwrap();
    assert_eq!(aside, "one\ntwo\nthree\nfour and more\n");
    // Who comes later begins with its newest lines.
    let mut later = Follow::new(&path, 20, 1, 0, Some(3));
    let mut found = Vec::new();
    later.read(|line| found.push(line)).unwrap();
    assert_eq!(found, ["…ve"]);
}

#[test]
fn what_an_earlier_process_wrote_to_the_same_file_is_not_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "the earlier one's last words").unwrap();
    let begin = length(&path);
    let all = |begin, back| {
        let mut found = Vec::new();
        let mut follow = Follow::new(&path, 1 << 20, 1, begin, back);
        follow.read(|line| found.push(line)).unwrap();
        found.extend(follow.last());
        found
    };
    appending(&path).unwrap().write_all(b"mine\nno end").unwrap();
    // As it is started, and as it is taken over by another console.
    assert_eq!(all(begin, None), ["mine", "no end"]);
    assert_eq!(all(begin, Some(1 << 10)), ["mine", "no end"]);
    assert_eq!(all(begin, Some(6)), ["…no end"]);
    // Cut since: all that is there is its own.
    std::fs::write(&path, "more\n").unwrap();
    assert_eq!(all(begin, Some(1 << 10)), ["more"]);
}

#[test]
fn its_last_words_are_those_of_its_standard_error_since_it_was_started() {
    let tail = Tail::new(100);
    let push = |source, text: &str| tail.push(Timestamp::from_millis(0), source, text.to_owned());
    assert_eq!(tail.last_words(), None);
    push(Source::Err, "an earlier one's");
    push(Source::Console, "started, process 7");
    assert_eq!(tail.last_words(), None);
    push(Source::Out, " listening ");
    push(Source::Out, "");
    assert_eq!(tail.last_words().as_deref(), Some("listening"));
    push(Source::Err, "there is no database");
    push(Source::Out, "which came later through the other pipe");
    assert_eq!(tail.last_words().as_deref(), Some("there is no database"));
    for n in 0..LAST {
        push(Source::Out, &format!("order {n}"));
    }
    assert_eq!(
        tail.last_words().as_deref(),
        Some("order 19"),
        "what was wrong long ago is not what it ended of"
    );
}
