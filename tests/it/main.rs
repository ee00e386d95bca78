//! The one integration crate.

