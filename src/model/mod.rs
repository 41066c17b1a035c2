//! The nouns: values that cannot be built wrong, shared by every room of the
//! house. No effects here.

mod digest;
mod issue;
mod role;
mod secret;

pub use digest::Digest;
pub use issue::{Issue, IssueCode, Severity};
pub use role::Role;
pub use secret::Secret;
