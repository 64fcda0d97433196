//! PromQL: lexer, parser with positions, evaluator.

pub mod storage;
