//! Files of the promqltest format: their grammar, a store in memory, and a runner.
