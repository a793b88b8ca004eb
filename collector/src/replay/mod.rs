//! `meshtap replay`: recorded exchanges go through the filter module, and the spans it makes of them are printed.
//!
//! What a user does with it: reproduce from a file what the filter makes of a call, and try a plugin configuration.

pub mod command;
mod har;
mod lines;
mod output;
pub mod recording;
