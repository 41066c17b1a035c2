//! How far the orders at an authority are, as it is kept.

use std::path::Path;

use crate::desired::Orders;

/// Where they are kept, in the state folder.
pub const ORDERS: &str = "tls/orders.json";

/// The orders as the last controller left them. What cannot be read is as good
/// as nothing: every name is looked at anew.
pub fn kept_orders(state: &Path) -> Orders {
    std::fs::read(state.join(ORDERS))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}
