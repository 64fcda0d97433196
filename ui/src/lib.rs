//! The shell: event loop, keymap, palette, help, layers.
