//! The one way from a string to the screen: no control character and no bidirectional override reaches a cell.
#![no_main]

use quarterdeck_widgets::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

libfuzzer_sys::fuzz_target!(|input: &str| {
    let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 1));
    text::put(&mut buffer, 0, 0, 40, input, Style::new());
    for cell in &buffer.content {
        let bad = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
        assert!(!cell.symbol().chars().any(bad), "{:?} reached the screen", cell.symbol());
    }
});
