//! The stand-in for MiroTalk.

/// Who started it.
pub enum Starter {
    /// `node`
    Node,
    /// `npm start`
    Npm,
}

/// Runs.
pub async fn run(_args: &[String], _starter: Starter) -> u8 {
    0
}
