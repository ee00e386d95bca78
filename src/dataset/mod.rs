//! Pictures: so far those that goldrun draws itself.

pub mod drawn;
