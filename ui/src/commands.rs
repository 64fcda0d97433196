//! What the shell itself can be told to do. Panes add theirs with [`crate::pane::PaneSpec::commands`].

use crate::pane::CommandSpec;

const fn spec(id: &'static str, title: &'static str, description: &'static str) -> CommandSpec {
    CommandSpec { id, title, description, keys: &[], action: None }
}

/// Commands that work everywhere; their default keys are in `default-keymap.toml`.
pub const GLOBAL: &[CommandSpec] = &[
    spec("shell.palette", "palette", "Find anything by a few letters: actions, commands, panes, services."),
    spec("shell.help", "help", "Show the keys that work here; Enter runs one."),
    spec(
        "shell.back",
        "back",
        "Give up a running query, leave a rewound view, or return to the place before.",
    ),
    spec("shell.forward", "forward", "Go again to the place that back left."),
    spec(
        "shell.freeze",
        "freeze",
        "Hold the view still while everything goes on behind it; again to let it go.",
    ),
    spec(
        "shell.undo",
        "undo",
        "Undo the selected timeline entry, or else your newest change that can be undone.",
    )
    .leading_to("timeline.undo"),
    spec("shell.next", "next pane", "Go to the pane at the right in the tab line."),
    spec("shell.previous", "previous pane", "Go to the pane at the left in the tab line."),
    spec("shell.pin", "pin", "Give this pane a digit in the tab line, or take its digit away."),
    spec("shell.headline", "go to the headline", "Go to what the headline is about."),
    spec(
        "shell.copy",
        "copy subject",
        "Copy the selected subject's name, as deep links and the command line take it.",
    ),
    spec("shell.messages", "messages", "List what was told in passing, newest first."),
    spec("shell.redraw", "redraw", "Draw everything again, from nothing."),
    spec("shell.suspend", "suspend", "Stop the console as any program in a shell; fg brings it back."),
    spec("shell.quit", "quit", "Leave the console."),
    spec("scope.choose", "choose service", "Select the service that every pane follows."),
    spec("scope.clear", "all services", "Let panes show all services again."),
    spec("scope.follow", "select this service", "Make the selected service the one that every pane follows."),
    spec("range.choose", "choose range", "Choose how far back charts reach."),
    spec("range.shorter", "shorter range", "Let charts reach less far back."),
    spec("range.longer", "longer range", "Let charts reach further back."),
    spec("time.back", "cursor back", "Move the time cursor of all charts back by a step."),
    spec("time.forward", "cursor forward", "Move the time cursor of all charts forward by a step."),
    spec("time.back-far", "cursor far back", "Move the time cursor back by ten steps."),
    spec("time.forward-far", "cursor far forward", "Move the time cursor forward by ten steps."),
    spec("time.rewind", "rewind to the cursor", "Show the whole screen as it was at the time cursor."),
    spec("time.live", "back to live", "Drop the time cursor and show what is now."),
    spec("look.theme", "theme", "Choose the colours, seen live while choosing."),
    spec("look.utc", "UTC or local time", "Show times in UTC, or again in the local zone."),
    spec("look.ascii", "ASCII glyphs", "Draw with ASCII glyphs only, or again with all."),
    spec("look.wide", "wide glyphs", "Tell that this terminal draws ambiguous characters two columns wide."),
    spec("look.mouse", "mouse", "Let the mouse work here, or leave it to the terminal's own selection."),
];

/// Commands of lists that float: palette, help, choosers.
pub const LIST: &[CommandSpec] = &[
    spec("list.up", "up", "Select the entry above."),
    spec("list.down", "down", "Select the entry below."),
    spec("list.page-up", "page up", "Go a page up."),
    spec("list.page-down", "page down", "Go a page down."),
    spec("list.first", "first", "Select the first entry."),
    spec("list.last", "last", "Select the last entry."),
    spec("list.accept", "choose", "Take the selected entry."),
    spec("list.close", "close", "Close the list; nothing is done."),
];

/// Commands of confirmations.
pub const CONFIRM: &[CommandSpec] = &[
    spec("confirm.yes", "yes", "Do it."),
    spec("confirm.no", "no", "Leave everything as it is."),
    spec("confirm.press", "press", "Press the button that has the focus; at first that is Cancel."),
    spec("confirm.switch", "other button", "Move the focus to the other button."),
    spec("confirm.reason", "reason", "Say why; the timeline keeps it."),
];

/// Commands of lines that ask for text.
pub const PROMPT: &[CommandSpec] = &[
    spec("prompt.accept", "take", "Take the text."),
    spec("prompt.close", "close", "Close the line; nothing is done."),
    spec("prompt.complete", "complete", "Take the next completion."),
    spec("prompt.older", "older", "Go to the completion, or earlier text, above."),
    spec("prompt.newer", "newer", "Go to the completion, or later text, below."),
];

/// Contexts of keymaps that are not panes, with their commands. What is global works wherever no layer floats.
pub const CONTEXTS: &[(&str, &[CommandSpec])] =
    &[("global", GLOBAL), ("list", LIST), ("confirm", CONFIRM), ("prompt", PROMPT)];

/// Finds a command of the shell.
#[must_use]
pub fn find(id: &str) -> Option<&'static CommandSpec> {
    CONTEXTS.iter().flat_map(|(_, commands)| commands.iter()).find(|c| c.id == id)
}
