//! ColourStream.
