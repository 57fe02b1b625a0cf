//! `meta.properties`: whose data directory this is.

use std::collections::BTreeMap;

use highwater_core::{NodeId, Uuid};

use super::{SIZE_MAX, uuid};
use crate::disk::{Disk, read_whole, replace};
use crate::{Damage, LogError};

/// The file's name, in the data directory.
pub const NAME: &str = "meta.properties";

const EXPECTED: &str = "version=1, cluster.id and node.id, one property a line";

/// What the file says, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetaProperties {
    /// The cluster: 22 characters, or whatever it was formatted with.
    pub cluster_id: String,
    /// The node.
    pub node_id: NodeId,
    /// The directory, which a disk that was lost does not have any more (KIP-858, KIP-853).
    pub directory_id: Option<Uuid>,
}

/// Reads the bytes of the file; what was found instead, if they are none.
pub fn decode(bytes: &[u8]) -> Result<MetaProperties, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are no UTF-8".to_owned())?;
    let mut properties = BTreeMap::new();
    for line in text.lines().map(str::trim_start) {
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) = property(line).ok_or_else(|| format!("the line {line:?}"))?;
        properties.insert(key, value);
    }
    let property = |name: &str| properties.get(name).ok_or_else(|| format!("no {name}"));
    match properties.get("version").map_or("0", String::as_str) {
        "1" => {}
        "0" => return Err("version 0, of a broker that is not in KRaft mode".to_owned()),
        other => return Err(format!("version {other:?}")),
    }
    let node = property("node.id")?;
    let node_id =
        node.trim().parse().ok().filter(|id| *id >= 0).ok_or_else(|| format!("node.id {node:?}"))?;
    let directory_id = match properties.get("directory.id") {
        None => None,
        Some(text) => Some(uuid::parse(text.trim()).ok_or_else(|| format!("directory.id {text:?}"))?),
    };
    Ok(MetaProperties { cluster_id: property("cluster.id")?.clone(), node_id: NodeId(node_id), directory_id })
}

/// A property of a Java properties file: key and value, with `=`, `:` or a space between, and backslashes before what is meant
/// literally. A value that goes on in the next line is refused.
fn property(line: &str) -> Option<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    let mut in_value = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let part = if in_value { &mut value } else { &mut key };
        match character {
            '\\' => part.push(match characters.next()? {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                other => other,
            }),
            ' ' | '\t' | '=' | ':' if !in_value => {
                in_value = true;
                let mut separated = !character.is_whitespace();
                while let Some(next) = characters.peek() {
                    match next {
                        ' ' | '\t' => {}
                        '=' | ':' if !separated => separated = true,
                        _ => break,
                    }
                    characters.next();
                }
            }
            other => part.push(other),
        }
    }
    Some((key, value))
}

/// The bytes of the file.
pub fn encode(properties: &MetaProperties) -> Vec<u8> {
    let mut text = "#\n".to_owned();
    text += &format!("cluster.id={}\n", escaped(&properties.cluster_id));
    if let Some(directory) = properties.directory_id {
        text += &format!("directory.id={}\n", uuid::format(directory));
    }
    text += &format!("node.id={}\nversion=1\n", properties.node_id.0);
    text.into_bytes()
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    for character in value.chars() {
        match character {
            '\\' | '=' | ':' | '#' | '!' | ' ' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            other => text.push(other),
        }
    }
    text
}

/// Reads it; `None` if the directory was not formatted.
pub fn load<D: Disk>(disk: &D) -> Result<Option<MetaProperties>, LogError> {
    let bytes = read_whole(disk, NAME, SIZE_MAX).map_err(LogError::io(NAME, "read it"))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let decoded = decode(&bytes).map_err(|found| {
        let cure =
            "If this is the right directory, restore the file; if it holds nothing of worth, format another.";
        Damage::new(NAME, found, EXPECTED, cure)
    })?;
    Ok(Some(decoded))
}

/// Writes it into a directory that is being formatted.
pub fn save<D: Disk>(disk: &D, properties: &MetaProperties) -> Result<(), LogError> {
    replace(disk, NAME, &encode(properties)).map_err(LogError::io(NAME, "replace it"))
}
