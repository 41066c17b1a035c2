//! How pictures are carried: one application of the media server each.

use std::collections::BTreeSet;
use std::time::Duration;

use super::items;
use super::reader::{KEY, Read, Reader, Told, capital};
use crate::model::RESERVED_WORDS;
use crate::settings::Profile;
use crate::settings::check::{self, Wrong};
use crate::settings::yaml::{Node, Path, Seek};

pub(super) fn profiles(r: &Reader<'_>) -> Read<Vec<Profile>> {
    let list = Path::keys("profiles");
    if r.tree.at(&list).is_none() {
        r.known(&list);
        r.known(&list.item(0));
        return Ok(vec![profile(r, &list.item(0), Ok("live".to_owned()))?]);
    }
    let mut names = BTreeSet::new();
    let profiles = items(r, "profiles", |path| {
        let is_group = r.given_at(path, |node| match node {
            Node::Map(_) => Ok(()),
            _ => Err(Wrong::default()),
        })?;
        is_group.ok_or_else(|| {
            r.tell(
                path,
                Seek::Value,
                format!("`{path}` is empty"),
                "a profile needs a name",
                "write for example `- live`, or remove the line",
            )
        })?;
        let name = profile_name(r, path, &names);
        if let Ok(name) = &name {
            names.insert(name.clone());
        }
        profile(r, path, name)
    })?;
    if profiles.is_empty() {
        return Err(r.tell(
            &list,
            KEY,
            "`profiles` is empty",
            "every room is carried by a profile",
            "write `profiles: [live]`, or remove the line",
        ));
    }
    Ok(profiles)
}

pub(super) fn profile_name(r: &Reader<'_>, item: &Path, names: &BTreeSet<String>) -> Read<String> {
    let path = item.key("name");
    let because = "rooms choose a profile by its name";
    let name = r.needed_at(&path, because, check::name(32))?;
    if RESERVED_WORDS.contains(&name.as_str()) {
        return Err(r.tell_value(
            &path,
            format!("`{path}` is `{name}`, which is taken"),
            format!("the live page has something of its own at `/{name}`"),
            format!("write another name, such as `{name}-picture`"),
        ));
    }
    if names.contains(&name) {
        return Err(r.tell_value(
            &path,
            format!("`{path}` is `{name}` for a second time"),
            "the name is the first part of media addresses and leads to one application",
            "give it another name, or remove it",
        ));
    }
    Ok(name)
}

pub(super) fn profile(r: &Reader<'_>, path: &Path, name: Read<String>) -> Read<Profile> {
    let seconds = Duration::from_secs;
    let title = r.given_at(&path.key("title"), check::line(80));
    let min_bitrate = r.given_at(
        &path.key("min_bitrate"),
        check::bitrate(10_000, 1_000_000_000),
    );
    let chunk = r.value_at(
        &path.key("chunk"),
        check::duration(Duration::from_millis(100), seconds(5)),
    );
    let segment_path = path.key("segment");
    let segment = r.value_at(&segment_path, |node| {
        let length = check::duration(seconds(1), seconds(10))(node)?;
        if length.subsec_millis() == 0 {
            Ok(length)
        } else {
            Err(Wrong {
                why: Some("OvenMediaEngine counts segments in whole seconds".to_owned()),
                fix: Some(format!("write `{}s`", length.as_secs() + 1)),
            })
        }
    });
    let audio_bitrate = r.value_at(&path.key("audio_bitrate"), check::bitrate(16_000, 510_000));
    let (chunk, segment) = (chunk?, segment?);
    if chunk > segment {
        return Err(r.tell_value(
            &segment_path,
            format!("`{path}`: `segment` is shorter than `chunk`"),
            "a segment consists of one part or more",
            "make `segment` as long as `chunk` at least",
        ));
    }
    let name = name?;
    Ok(Profile {
        title: title?.unwrap_or_else(|| capital(&name)),
        name,
        min_bitrate: min_bitrate?,
        chunk_seconds: chunk.as_secs_f64(),
        segment_seconds: u32::try_from(segment.as_secs()).map_err(|_| Told)?,
        audio_bitrate: u32::try_from(audio_bitrate?).map_err(|_| Told)?,
    })
}
