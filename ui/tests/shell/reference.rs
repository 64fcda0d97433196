//! The references are made from what is live.

use quarterdeck_ui::reference::{actions_markdown, keys_markdown};

use crate::support::{Desk, Fake};

#[test]
fn keys_reference() {
    let desk = Desk::new(Fake::default());
    insta::assert_snapshot!(keys_markdown(&desk.shell));
}

#[test]
fn actions_reference() {
    insta::assert_snapshot!(actions_markdown(&Fake::default().actions));
}
