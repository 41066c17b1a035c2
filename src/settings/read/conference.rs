//! The call: flavour, relay, addresses.

use super::reader::{KEY, Read, Reader, Told};
use crate::settings::check;
use crate::settings::yaml::Path;
use crate::settings::{Conference, Flavour, Turn};

pub(super) fn conference(r: &Reader<'_>) -> Read<Conference> {
    let flavour = r.value(
        "conference.flavour",
        check::choice(&[("sfu", Flavour::Sfu), ("p2p", Flavour::P2p)]),
    );
    let most = r.given("conference.max_participants", |node| {
        check::number(node, 2, 100)
    });
    let stun = r.given("conference.stun", check::ice_server(&["stun", "stuns"]));
    let turn = if r.is_given("conference.turn") {
        let because = "a TURN server lets nobody in without it";
        let url = r.needed(
            "conference.turn.url",
            "`conference.turn` is a server, and a server has an address",
            check::ice_server(&["turn", "turns"]),
        );
        let username = r.needed("conference.turn.username", because, check::line(200));
        let credential_file = r.needed_file("conference.turn.credential_file", because);
        url.and_then(|url| {
            Ok(Some(Turn {
                url,
                username: username?,
                credential_file: credential_file?,
            }))
        })
    } else {
        Ok(None)
    };
    let flavour = flavour?;
    if flavour == Flavour::Sfu {
        for key in ["conference.stun", "conference.turn"] {
            if r.is_given(key) {
                return Err(r.tell(
                    &Path::keys(key),
                    KEY,
                    format!("`{key}` has no effect here"),
                    "with `flavour: sfu` media goes straight to the server; it uses neither STUN nor TURN",
                    "write `flavour: p2p`, or remove the line",
                ));
            }
        }
    }
    let usual = match flavour {
        Flavour::Sfu => 12,
        Flavour::P2p => 4,
    };
    let max_participants = u16::try_from(most?.unwrap_or(usual)).map_err(|_| Told)?;
    Ok(Conference {
        flavour,
        max_participants,
        stun: stun?,
        turn: turn?,
    })
}
