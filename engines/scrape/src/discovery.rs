//! Where targets come from: the configuration, files, URLs. Each source keeps its last good answer while it fails.

pub(crate) mod document;
pub(crate) mod files;
pub(crate) mod glob;
