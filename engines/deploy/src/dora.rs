//! DORA's five measures.
