//! The custom name in a room's address.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Words that mean something else at the root of a host, so that no room and
/// no quality profile can have them: both begin paths there.
pub const RESERVED: &[&str] = &[
    "admin",
    "api",
    "assets",
    "auth",
    "call",
    "config-generation",
    "cs",
    "ended",
    "events",
    "favicon",
    "health",
    "healthz",
    "help",
    "hook",
    "hooks",
    "internal",
    "j",
    "join",
    "left",
    "livez",
    "login",
    "logout",
    "manifest",
    "metrics",
    "new",
    "openapi",
    "ping",
    "readyz",
    "robots",
    "room",
    "rooms",
    "session",
    "settings",
    "setup",
    "stack",
    "static",
    "status",
    "video",
    "watch",
    "well-known",
    "whip",
];

/// Usual names of profiles: no room's, whether there is such a profile yet or
/// not.
const USUAL_PROFILES: [&str; 2] = ["app", "live"];

/// `[a-z0-9]` with single hyphens between, 2 to 48 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Longest.
    pub const MAX: usize = 48;

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks `text`; names of quality profiles are reserved besides the fixed
    /// words, because they begin the media paths.
    pub fn check<'a>(
        text: &str,
        profiles: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let shape = (2..=Self::MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        if !shape {
            return Err(format!(
                "a name is 2 to {} characters of a-z, 0-9 and single hyphens between them",
                Self::MAX
            ));
        }
        let mut taken = RESERVED.iter().chain(&USUAL_PROFILES).copied();
        if taken.any(|word| word == text) || profiles.into_iter().any(|profile| profile == text) {
            return Err(format!("`{text}` is reserved; try `{text}-room`"));
        }
        Ok(Self(text.to_owned()))
    }

    /// One that was checked when it was kept.
    pub fn kept(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A name made of a title in any script; what has no likeness in a-z is
    /// left out, and `review` stands where nothing is left.
    pub fn suggest<'a>(
        title: &str,
        profiles: impl IntoIterator<Item = &'a str> + Clone,
        taken: impl Fn(&str) -> bool,
    ) -> Self {
        let mut base = String::new();
        for letter in title.chars().flat_map(char::to_lowercase) {
            match latin(letter) {
                Some(letters) => base.push_str(letters),
                None if letter.is_ascii_alphanumeric() => base.push(letter),
                // Marks of a letter before them vanish with nothing in between.
                None if ('\u{300}'..='\u{36f}').contains(&letter) || letter == '\'' => {}
                None if !base.ends_with('-') && !base.is_empty() => base.push('-'),
                None => {}
            }
        }
        // Room for a number or a word behind it.
        base.truncate(Self::MAX - 8);
        let words: Vec<&str> = base.split('-').filter(|word| !word.is_empty()).collect();
        let mut base = words.join("-");
        if base.len() < 2 {
            base = if base.is_empty() {
                "review".to_owned()
            } else {
                format!("review-{base}")
            };
        }
        let first = match Self::check(&base, profiles.clone()) {
            Ok(slug) => slug.0,
            Err(_) => format!("{base}-room"),
        };
        if Self::check(&first, profiles.clone()).is_ok() && !taken(&first) {
            return Self(first);
        }
        (2..u32::MAX)
            .map(|number| format!("{base}-{number}"))
            .find(|name| Self::check(name, profiles.clone()).is_ok() && !taken(name))
            .map_or_else(|| Self(base), Self)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Likeness in a-z of the letters of European alphabets.
fn latin(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ä' | 'æ' => "ae",
        'ö' | 'œ' | 'ø' => "oe",
        'ü' => "ue",
        'ß' => "ss",
        'þ' => "th",
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ŏ' | 'ő' => "o",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        '&' => "-and-",
        _ => return None,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn suggest(title: &str) -> String {
        Slug::suggest(title, ["live"], |_| false).to_string()
    }

    #[test]
    fn titles_become_names_people_can_say() {
        assert_eq!(suggest("Harbour Film, Reel 2"), "harbour-film-reel-2");
        assert_eq!(suggest("Größe & Übermut"), "groesse-and-uebermut");
        assert_eq!(suggest("L'été à Łódź"), "lete-a-lodz");
        assert_eq!(suggest("映画"), "review");
        assert_eq!(suggest("API"), "api-room");
        assert_eq!(suggest("Live"), "live-room");
        assert_eq!(suggest("{{ .Env }} <script>"), "env-script");
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let taken = ["reel", "reel-2"];
        let slug = Slug::suggest("Reel", [], |name| taken.contains(&name));
        assert_eq!(slug.as_str(), "reel-3");
    }

    #[test]
    fn what_means_something_else_is_refused() {
        for word in [
            "api", "j", "cs", "internal", "setup", "cinema", "-a", "a-", "a--b", "A", "x", "ü",
        ] {
            assert!(Slug::check(word, ["cinema"]).is_err(), "{word}");
        }
        assert_eq!(
            Slug::check("reel-2", ["cinema"]).unwrap().as_str(),
            "reel-2"
        );
    }

    proptest! {
        #[test]
        fn any_title_gives_a_name_that_holds(title in any::<String>(), busy in 0_usize..4) {
            let slug = Slug::suggest(&title, ["live"], |name| {
                (0..busy).any(|number| name.ends_with(&format!("-{number}")))
            });
            prop_assert!(Slug::check(slug.as_str(), ["live"]).is_ok(), "{}", slug);
        }

        #[test]
        fn what_is_accepted_needs_no_escape(text in any::<String>()) {
            if let Ok(slug) = Slug::check(&text, []) {
                prop_assert!(slug.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            }
        }
    }
}
