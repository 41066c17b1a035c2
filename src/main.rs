//! ColourStream.
fn main() {}
