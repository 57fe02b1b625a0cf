//! Releases of Kafka by the levels of `metadata.version` that they brought.

use highwater_core::controller::MetadataVersion;
use highwater_server::config::Bootstrap;

use super::FormatArgs;
use crate::ToolError;

/// Level 7 and those that follow it.
const RELEASES: [&str; 24] = [
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0",
    "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2",
    "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
];

const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";
const KRAFT: &str = "kraft.version";

/// The release that brought a level.
pub(crate) fn release_name(version: MetadataVersion) -> String {
    let index = usize::try_from(i32::from(version.0) - i32::from(MetadataVersion::LOWEST.0)).ok();
    match index.and_then(|index| RELEASES.get(index)) {
        Some(name) => (*name).to_owned(),
        None => format!("level {version}"),
    }
}

/// The level of a release: `4.0-IV1` is that, `4.0` and `4.0.2` the last of 4.0.
fn level(release: &str) -> Option<MetadataVersion> {
    let is_it = |known: &&str| {
        let short = known.split('-').next().unwrap_or_default();
        *known == release
            || short == release
            || release
                .strip_prefix(short)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let index = RELEASES.iter().rposition(|known| is_it(&known))?;
    Some(MetadataVersion(MetadataVersion::LOWEST.0 + i16::try_from(index).ok()?))
}

/// What the arguments say that the cluster begins with.
pub(super) fn bootstrap(args: &FormatArgs) -> Result<Bootstrap, ToolError> {
    let refuse = |message: String| Err(ToolError::Refused(message));
    let (mut version, mut eligible) = (None, None);
    for setting in &args.feature {
        let parsed =
            setting.split_once('=').and_then(|(name, level)| Some((name, level.parse::<i16>().ok()?)));
        let Some((name, level)) = parsed else {
            return refuse(format!(
                "--feature: found {setting:?}, expected FEATURE=LEVEL, for example {ELIGIBLE_LEADER_REPLICAS}=1."
            ));
        };
        match (name, level) {
            (MetadataVersion::FEATURE, level) => version = Some(MetadataVersion(level)),
            (ELIGIBLE_LEADER_REPLICAS, 0 | 1) => eligible = Some(level == 1),
            (KRAFT, 0) => {}
            (KRAFT, _) => {
                return refuse(format!(
                    "Cannot set kraft.version to {level}: voters are static here. Try removing the --feature flag for \
                     kraft.version."
                ));
            }
            (ELIGIBLE_LEADER_REPLICAS, _) => {
                return refuse(format!("No feature:{name} with feature level {level}; expected 0 or 1."));
            }
            _ => {
                return refuse(format!(
                    "Unsupported feature: {name}. Supported features are: {ELIGIBLE_LEADER_REPLICAS}, {KRAFT}, {}",
                    MetadataVersion::FEATURE
                ));
            }
        }
    }
    let version = match (version, &args.release_version) {
        (Some(_), Some(_)) => {
            let told = "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.";
            return refuse(told.to_owned());
        }
        (Some(version), None) if version.is_known() => version,
        (Some(version), None) => {
            let (lowest, highest) = (MetadataVersion::LOWEST, MetadataVersion::HIGHEST);
            return refuse(format!(
                "metadata.version {version} is not known; expected {lowest} to {highest}."
            ));
        }
        (None, Some(release)) => match level(release) {
            Some(version) => version,
            None => {
                let (first, last) = (RELEASES[0], RELEASES[RELEASES.len() - 1]);
                return refuse(format!(
                    "Unknown metadata.version '{release}'. Supported metadata.version are: {first} to {last}"
                ));
            }
        },
        (None, None) => MetadataVersion::DEFAULT,
    };
    let can_have = version.has_eligible_leader_replicas();
    if eligible == Some(true) && !can_have {
        return refuse(format!(
            "{ELIGIBLE_LEADER_REPLICAS} could not be set to 1 because it depends on metadata.version level 23 (4.0-IV1)."
        ));
    }
    Ok(Bootstrap { metadata_version: version, eligible_leader_replicas: eligible.unwrap_or(can_have) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_the_levels_of_kafka() {
        let levels = [
            ("3.3-IV3", 7),
            ("3.3", 7),
            ("3.5", 11),
            ("3.9.2", 21),
            ("4.0", 25),
            ("4.0-IV1", 23),
            ("4.3.1", 30),
        ];
        for (release, expected) in levels {
            assert_eq!(level(release), Some(MetadataVersion(expected)), "{release}");
        }
        for wrong in ["", "4", "4.4", "3.2", "4.0-IV9", "4.0.", "4.0.x", "4.01"] {
            assert_eq!(level(wrong), None, "{wrong}");
        }
        assert_eq!(release_name(MetadataVersion::HIGHEST), "4.3-IV0");
        assert_eq!(release_name(MetadataVersion::DEFAULT), "4.0-IV3");
        assert_eq!(release_name(MetadataVersion(i16::MIN)), "level -32768");
        assert_eq!(release_name(MetadataVersion(31)), "level 31");
    }
}
