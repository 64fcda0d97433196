//! Giving a terminal back that a dead console has left behind.
//!
//! The keeper inherits the console's terminal as its standard output. Before the console takes the terminal over, it tells
//! the keeper how it was; when the console dies without having given it back, the keeper does so: modes, screen,
//! cursor, mouse.

use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, SpecialCodeIndex,
    Termios, tcflush, tcgetattr, tcsetattr,
};
use serde::{Deserialize, Serialize};

/// The modes of a terminal that a console changes, and what it changes of its special codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    /// VMIN and VTIME.
    least: u8,
    wait: u8,
}

impl Modes {
    /// Those of a terminal now.
    ///
    /// # Errors
    /// When it is no terminal.
    pub fn of(terminal: impl AsFd) -> io::Result<Self> {
        Ok(Self::from(&tcgetattr(terminal)?))
    }

    /// A terminal's settings with these modes.
    fn put(self, mut settings: Termios) -> Termios {
        settings.input_modes = InputModes::from_bits_retain(self.input);
        settings.output_modes = OutputModes::from_bits_retain(self.output);
        settings.control_modes = ControlModes::from_bits_retain(self.control);
        settings.local_modes = LocalModes::from_bits_retain(self.local);
        settings.special_codes[SpecialCodeIndex::VMIN] = self.least;
        settings.special_codes[SpecialCodeIndex::VTIME] = self.wait;
        settings
    }
}

impl From<&Termios> for Modes {
    fn from(settings: &Termios) -> Self {
        Self {
            input: settings.input_modes.bits(),
            output: settings.output_modes.bits(),
            control: settings.control_modes.bits(),
            local: settings.local_modes.bits(),
            least: settings.special_codes[SpecialCodeIndex::VMIN],
            wait: settings.special_codes[SpecialCodeIndex::VTIME],
        }
    }
}

/// Gives a terminal back as it was before a console took it over. Its modes are only set where they are still the
/// console's: the shell may have been quicker and reads a line in modes of its own.
///
/// # Errors
/// When the terminal is gone.
pub(super) fn give_back<T: Write + AsFd>(before: Modes, terminal: &mut T) -> io::Result<()> {
    let now = tcgetattr(&*terminal)?;
    let mut taken = before.put(now.clone());
    taken.make_raw();
    if Modes::from(&taken) == Modes::from(&now) {
        // What was typed for the console is not for the shell; reports of the mouse least of all.
        tcflush(&*terminal, QueueSelector::IFlush)?;
        tcsetattr(&*terminal, OptionalActions::Now, &before.put(now))?;
    }
    quarterdeck_ui::terminal::leave(terminal)
}
