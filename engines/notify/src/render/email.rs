//! Mails: headers and a body in two forms.

use jiff::tz::TimeZone;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailboxes, MultiPart, SinglePart};
use quarterdeck_alertmanager::config::Email;
use sha2::{Digest, Sha256};

use super::Texts;
use crate::failure::Failure;
use crate::model::{Attempt, Notification};

/// The subject where the configuration has none.
const SUBJECT: &str = "{{ template \"email.default.subject\" . }}";

/// How many addresses one mail may have.
const MAX_RECIPIENTS: usize = 1000;

/// A mail that is ready to be sent.
pub(crate) struct Mail {
    pub(crate) settings: Email,
    /// Address of the sender.
    pub(crate) from: String,
    /// Addresses of the recipients.
    pub(crate) to: Vec<String>,
    /// Headers and body, lines ended by CR LF.
    pub(crate) message: Vec<u8>,
}

/// Makes the mail.
pub(super) fn prepare(
    settings: &Email,
    attempt: &Attempt,
    notification: &Notification,
    texts: &Texts<'_>,
    now: jiff::Timestamp,
) -> Result<Mail, Failure> {
    let (from_text, to_text) = (texts.text("from", &settings.from)?, texts.text("to", &settings.to)?);
    let from = addresses("from", &from_text)?;
    let to = addresses("to", &to_text)?;
    let [from] = <[String; 1]>::try_from(from)
        .map_err(|found| Failure::never(format!("from must be one address, found {}", found.len())))?;
    if to.len() > MAX_RECIPIENTS {
        return Err(Failure::never(format!("to has more than {MAX_RECIPIENTS} addresses")));
    }

    // The same attempt makes the same mail: who gets it twice can see that.
    let id = attempt.id.simple();
    let mut mail = MultiPart::alternative().boundary(format!("part-{id}")).build();
    let has = |name: &str| settings.headers.keys().any(|known| known.eq_ignore_ascii_case(name));
    for (name, template) in &settings.headers {
        let value = texts.text(&format!("headers.{name}"), template)?;
        add(&mut mail, name, &value)?;
    }
    for (name, value) in [("From", &from_text), ("To", &to_text)] {
        if !has(name) {
            add(&mut mail, name, value)?;
        }
    }
    if !has("Subject") {
        add(&mut mail, "Subject", &texts.text("the subject", SUBJECT)?)?;
    }
    if !has("Message-Id") {
        add(&mut mail, "Message-Id", &format!("<{id}@{}>", domain(&from)))?;
    }
    if !has("Date") {
        let date = now.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        add(&mut mail, "Date", &date)?;
    }
    if let Some(by) = &settings.threading {
        let thread = thread(&notification.group_key, by, now);
        add(&mut mail, "References", &thread)?;
        add(&mut mail, "In-Reply-To", &thread)?;
    }
    if attempt.possibly_duplicate {
        add(&mut mail, "X-Quarterdeck-Possibly-Duplicate", "true")?;
    }
    add(&mut mail, "MIME-Version", "1.0")?;

    // The form that is preferred stands last.
    if !settings.text.is_empty() || settings.html.is_empty() {
        mail = mail.singlepart(part(ContentType::TEXT_PLAIN, texts.text("text", &settings.text)?)?);
    }
    if !settings.html.is_empty() {
        mail = mail.singlepart(part(ContentType::TEXT_HTML, texts.html("html", &settings.html)?)?);
    }
    Ok(Mail { settings: settings.clone(), from, to, message: mail.formatted() })
}

fn addresses(field: &str, text: &str) -> Result<Vec<String>, Failure> {
    let parsed: Mailboxes =
        text.parse().map_err(|e| Failure::never(format!("{field} is not a list of addresses: {e}")))?;
    let addresses: Vec<String> = parsed.into_iter().map(|mailbox| mailbox.email.to_string()).collect();
    if addresses.is_empty() {
        return Err(Failure::never(format!("{field} has no address")));
    }
    Ok(addresses)
}

fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
}

fn add(mail: &mut MultiPart, name: &str, value: &str) -> Result<(), Failure> {
    let header = HeaderName::new_from_ascii(name.to_owned())
        .map_err(|_| Failure::never(format!("headers: {name:?} is not the name of a header")))?;
    // A line break would begin another header.
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    mail.headers_mut().insert_raw(HeaderValue::new(header, line.trim().to_owned()));
    Ok(())
}

fn part(kind: ContentType, text: String) -> Result<SinglePart, Failure> {
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
        .map_err(|_| Failure::never("the body cannot be encoded"))?;
    Ok(SinglePart::builder().header(kind).body(body))
}

/// The message that all mails about a group answer; it was never sent, but mail programs group by it.
fn thread(group_key: &str, by: &str, now: jiff::Timestamp) -> String {
    let hash: String =
        Sha256::digest(group_key.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let day = if by == "none" { String::new() } else { now.strftime("%Y-%m-%d").to_string() };
    format!("<alert-{hash}-{day}@alertmanager>")
}
