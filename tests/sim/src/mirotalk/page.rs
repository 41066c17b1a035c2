//! The pages. Elements that tests look at have fixed ids; see the README.

use super::settings::{Flavour, Settings};

/// A small socket.io client, at the address of the real one.
pub const SOCKET_IO: &str = include_str!("../../assets/socket.io.js");
/// What the call page does.
pub const CALL: &str = include_str!("../../assets/call.js");
const CALL_HTML: &str = include_str!("../../assets/call.html");

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The call.
pub fn call(settings: &Settings) -> String {
    let flavour = match settings.flavour {
        Flavour::Sfu => "sfu",
        Flavour::P2p => "p2p",
    };
    let away = settings.redirect.clone().unwrap_or_else(|| {
        if flavour == "sfu" {
            "/newroom"
        } else {
            "/newcall"
        }
        .to_owned()
    });
    CALL_HTML
        .replace("{{name}}", &escape(&settings.app_name))
        .replace("{{flavour}}", flavour)
        .replace("{{redirect}}", &escape(&away))
}

/// The login page: it never loads the socket's script.
pub fn login(settings: &Settings) -> String {
    plain(settings, "login")
}

/// A page that only says what it is.
pub fn plain(settings: &Settings, what: &str) -> String {
    format!(
        "<!DOCTYPE html><html><head><title>{}</title></head><body><p id=\"page\">{what}</p></body></html>\n",
        escape(&settings.app_name)
    )
}
