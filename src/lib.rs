//! goldrun runs declarative ML recipes and holds the result to a golden record.
//!
//! ```text
//! recipe ──► artifacts ──► dataset ──► model ──► engine ──► train ──► evaluate ──► record
//!                                                                                    │
//!                                                  golden ──► compare ──► verdict ◄──┘
//! ```
//!
//! Every number in a record is a function of the recipe, its artifacts and the seed alone.
//! The library prints nothing: stages tell an [`record::Observer`] what happens.

pub mod artifacts;
pub mod cli;
pub mod dataset;
pub mod digest;
pub mod engine;
pub mod evaluate;
pub mod export;
pub mod golden;
pub mod kernels;
pub mod model;
pub mod predict;
pub mod random;
pub mod recipe;
pub mod record;
pub mod report;
pub mod run;
pub mod train;
pub mod vendor;
pub mod whole;
