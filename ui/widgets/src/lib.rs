//! The drawing toolkit: themes, text, tables, charts, pictures.
