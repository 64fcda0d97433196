//! Memory that was freed, given back to the system.
//!
//! The C library keeps what is freed for the next who asks. After an answer of a million samples that is a hundred
//! megabytes which an idle console would hold on to for days; measured beside Prometheus, memory after many large queries
//! was 0.85 of its instead of under a half (`benches/README.md`).

/// Less than this much more than after the last time is not worth the walk through the heap.
const WORTH_IT: u64 = 8 << 20;

/// When to give memory back: after the process has grown.
#[derive(Debug, Default)]
pub(crate) struct GiveBack {
    /// Resident bytes seen after the last time; the least since.
    floor: Option<u64>,
}

impl GiveBack {
    /// Takes in how many bytes are resident; whether free memory is to be given back now.
    pub(crate) fn due(&mut self, resident: u64) -> bool {
        let floor = *self.floor.get_or_insert(resident);
        if resident > floor + WORTH_IT.max(floor / 8) {
            // What is resident afterwards is seen at the next call.
            self.floor = None;
            return true;
        }
        self.floor = Some(floor.min(resident));
        false
    }
}

/// Gives free pages of the heap back to the system. Takes milliseconds per hundred megabytes, during which threads that
/// want memory of the same part of the heap wait: not to be called for every answer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    // SAFETY: malloc_trim(3) takes no pointer, is safe to call from any thread, and touches only memory that is free.
    #[expect(unsafe_code, reason = "the only way to ask the C library; see above for what it brings")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other systems' allocators give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn growth_is_followed_by_giving_back_once() {
        let mut memory = GiveBack::default();
        assert!(!memory.due(40 * MB), "the first look tells nothing");
        assert!(!memory.due(47 * MB), "too little");
        assert!(memory.due(120 * MB));
        assert!(!memory.due(110 * MB), "what could not be given back is in use");
        assert!(!memory.due(115 * MB));
        assert!(memory.due(125 * MB));
        assert!(!memory.due(50 * MB));
        assert!(memory.due(60 * MB), "measured from the least since");
    }
}
