//! The nouns: values that cannot be built wrong, shared by every room of the
//! house. No effects here.

mod digest;
mod issue;
mod names;
mod role;
mod room;
mod secret;
mod slug;

pub use digest::Digest;
pub use issue::{Issue, IssueCode, Severity};
pub use names::{Entropy, Id, PublishKey, StreamName, Token};
pub use role::Role;
pub use room::{Gate, Grant, Link, Room, Seat, Wrong, network, one_line};
pub use secret::Secret;
pub use slug::Slug;
