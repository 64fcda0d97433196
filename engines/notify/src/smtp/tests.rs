use proptest::prelude::*;

use super::*;

#[test]
fn mails_are_stuffed() {
    for (mail, sent) in [
        ("a\r\nb\r\n", "a\r\nb\r\n.\r\n"),
        ("a\n.b\n..c", "a\r\n..b\r\n...c\r\n.\r\n"),
        (".", "..\r\n.\r\n"),
        ("", "\r\n.\r\n"),
    ] {
        assert_eq!(String::from_utf8(stuffed(mail.as_bytes())).unwrap(), sent, "{mail:?}");
    }
}

fn session(said: Vec<u8>) -> Session<std::io::Cursor<Vec<u8>>> {
    Session { stream: BufReader::new(std::io::Cursor::new(said)), abilities: Vec::new() }
}

#[tokio::test]
async fn answers_are_read_whole_and_bounded() {
    let mut session = session(b"250-one\r\n250-two\n250 three\r\n220\r\n".to_vec());
    let reply = session.reply("x").await.unwrap();
    assert_eq!(
        (reply.code, reply.lines),
        (250, vec!["one".to_owned(), "two".to_owned(), "three".to_owned()])
    );
    assert_eq!(session.reply("x").await.unwrap().code, 220);
    for (said, told) in [
        ("".to_owned(), "closed the connection"),
        ("hello\r\n".to_owned(), "is not SMTP"),
        ("250 cut".to_owned(), "cut off or endless"),
        ("250-on\r\n".repeat(500), "does not end"),
        ("2".repeat(100_000), "cut off or endless"),
    ] {
        let failure = self::session(said.into_bytes()).reply("x").await.unwrap_err();
        assert!(failure.again && failure.reason.contains(told), "{}", failure.reason);
    }
}

#[tokio::test]
async fn a_line_break_ends_no_command() {
    let failure = session(Vec::new()).command("RCPT TO:<a@b>\r\nDATA").await.unwrap_err();
    assert!(!failure.again && failure.reason.contains("line break"), "{}", failure.reason);
}

#[test]
fn abilities_are_found_by_name() {
    let mut session = session(Vec::new());
    session.abilities = vec!["STARTTLSX".to_owned(), "AUTH=PLAIN LOGIN".to_owned(), "SIZE 10".to_owned()];
    assert!(!session.can("STARTTLS") && session.can("SIZE"));
    assert_eq!(session.ability("AUTH"), Some("PLAIN LOGIN"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Whatever a server says, there is an answer or a failure.
    #[test]
    fn nothing_panics(said in proptest::collection::vec(any::<u8>(), 0..200), lines in "([0-9]{3}[ -]?[a-z\u{e4}]{0,5}\r?\n){0,6}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let _ = session(said).reply("x").await;
            let _ = session(lines.into_bytes()).reply("x").await;
        });
    }

    /// No line of a mail ends it.
    #[test]
    fn only_the_end_is_a_lone_point(mail in "[.a\r\n]{0,40}") {
        let sent = String::from_utf8(stuffed(mail.as_bytes())).unwrap();
        prop_assert!(sent.ends_with("\r\n.\r\n"));
        let body = &sent[..sent.len() - 3];
        prop_assert!(!body.split("\r\n").any(|line| line == "."), "{sent:?}");
    }
}
