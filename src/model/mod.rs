//! The nouns: values that cannot be built wrong, shared by every room of the
//! house, and how they are told. No effects here.

mod digest;
mod issue;
mod names;
mod role;
mod room;
mod secret;
mod slug;
mod text;

pub use digest::Digest;
pub use issue::{Issue, IssueCode, Severity};
pub use names::{Entropy, Id, PublishKey, StreamName, Token};
pub use role::Role;
pub use room::{Gate, Grant, Link, Room, Seat, Wrong, disrupts, network, one_line};
pub use secret::Secret;
pub use slug::{RESERVED as RESERVED_WORDS, Slug};
pub use text::{escaped, listed, span};
