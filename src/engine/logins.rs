//! PURE. Logins of registries, in the form `docker login` writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::model::Secret;

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The registry, as the engine knows it.
    pub registry: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret<String>,
}

/// The registry of Docker's own images, as `docker login` names it.
const HUB: &str = "https://index.docker.io/v1/";

/// The registry that a reference leads to.
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => HUB,
    }
}

/// The login for a reference's registry; none where the file has none, or
/// keeps it elsewhere (`credsStore`).
pub fn login(file: &str, reference: &str) -> Option<Login> {
    let wanted = registry(reference);
    let file: Value = serde_json::from_str(file).ok()?;
    let (_, entry) = file.get("auths")?.as_object()?.iter().find(|(name, _)| {
        let bare = name.trim_start_matches("https://").trim_end_matches('/');
        *name == wanted || bare == wanted
    })?;
    let decoded = STANDARD.decode(entry.get("auth")?.as_str()?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(Login {
        registry: wanted.to_owned(),
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_registry_gets_its_own_login_and_no_other() {
        let auth = |text: &str| STANDARD.encode(text);
        let file = format!(
            r#"{{"auths": {{"registry.studio.lan:5000": {{"auth": "{}"}}, "https://index.docker.io/v1/": {{"auth": "{}"}}, "ghcr.io": {{}}}}}}"#,
            auth("ops:se:cret"),
            auth("hub:x")
        );
        let found = login(&file, "registry.studio.lan:5000/mirotalk/sfu:2.3.77").unwrap();
        assert_eq!(
            (found.username.as_str(), found.password.expose().as_str()),
            ("ops", "se:cret")
        );
        assert!(!format!("{found:?}").contains("se:cret"));
        assert_eq!(login(&file, "traefik:v3.7.15").unwrap().username, "hub");
        assert_eq!(login(&file, "mirotalk/sfu:1").unwrap().registry, HUB);
        for other in ["ghcr.io/x/y:1", "registry.studio.lan/x:1", "localhost/x:1"] {
            assert_eq!(login(&file, other), None, "{other}");
        }
        assert_eq!(login("no json", "traefik:v3.7.15"), None);
    }
}
