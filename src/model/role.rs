//! The three services.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a container is for. There is one container per role.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// TLS, routing, forward-auth.
    Traefik,
    /// The picture.
    Ovenmediaengine,
    /// The call.
    Mirotalk,
}

impl Role {
    /// Every role, in the order people read them.
    pub const ALL: [Role; 3] = [Role::Traefik, Role::Ovenmediaengine, Role::Mirotalk];

    /// The name in labels, folders, container names and network aliases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Traefik => "traefik",
            Role::Ovenmediaengine => "ovenmediaengine",
            Role::Mirotalk => "mirotalk",
        }
    }

    /// The name people know.
    pub const fn title(self) -> &'static str {
        match self {
            Role::Traefik => "Traefik",
            Role::Ovenmediaengine => "OvenMediaEngine",
            Role::Mirotalk => "MiroTalk",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not one of traefik, ovenmediaengine, mirotalk"))
    }
}
