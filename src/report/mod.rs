//! Reports: pure functions from events, records and comparisons to text.
//!
//! Nothing here prints, and no report knows of another.

pub mod ci;
pub mod html;
pub mod predictions;
pub mod sheet;
pub mod terminal;
