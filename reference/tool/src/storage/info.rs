//! `storage info`.

use std::io::Write;
use std::path::Path;

use highwater_log::files::meta_properties;
use highwater_log::files::uuid;

use crate::{ExitKind, ToolError};

pub(super) fn run(directory: &Path, out: &mut dyn Write) -> Result<ExitKind, ToolError> {
    let place = directory.display();
    let mut problem = None;
    if !directory.is_dir() {
        problem = Some(match directory.exists() {
            true => format!("{place} is not a directory"),
            false => format!("{place} does not exist"),
        });
    } else {
        writeln!(out, "Found log directory:\n  {place}\n")?;
        let path = directory.join(meta_properties::NAME);
        if !path.exists() {
            problem = Some(format!("{place} is not formatted."));
        } else {
            let read = std::fs::read(&path).map_err(|error| error.to_string());
            match read.and_then(|bytes| meta_properties::decode(&bytes)) {
                Ok(found) => {
                    let directory_id =
                        found.directory_id.map(|id| format!("directory.id={}, ", uuid::format(id)));
                    writeln!(
                        out,
                        "Found metadata: {{cluster.id={}, {}node.id={}, version=1}}\n",
                        found.cluster_id,
                        directory_id.unwrap_or_default(),
                        found.node_id.0
                    )?;
                }
                Err(found) => problem = Some(format!("Error loading {}: {found}", path.display())),
            }
        }
    }
    let Some(problem) = problem else { return Ok(ExitKind::Success) };
    writeln!(out, "Found problem:\n  {problem}\n")?;
    Ok(ExitKind::Problems)
}
