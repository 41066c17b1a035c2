//! The one loop.
mod memory;
pub use memory::Memory;
