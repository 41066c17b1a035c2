//! Stand-ins for the tests.
fn main() {}
