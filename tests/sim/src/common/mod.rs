//! What both stand-ins need: a clock, a printer, HTTP both ways, hashes.

pub mod client;
pub mod hash;
pub mod http;
pub mod json;
pub mod out;
pub mod text;
pub mod time;
pub mod ws;
