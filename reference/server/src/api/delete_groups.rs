//! DeleteGroups (KIP-229).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use highwater_core::group::{GroupRequest, GroupResponse};
use highwater_wire::Str;
use highwater_wire::header::RequestHeader;
use highwater_wire::messages::delete_groups::response::DeletableGroupResult;
use highwater_wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::describe_groups::by_partition;
use super::groups::{code, other};
use super::{Begun, Context, Later, answered, decode};

/// Asks the coordinators of all these groups.
pub(super) async fn begin(
    context: &Arc<Context>,
    header: &RequestHeader,
    body: Bytes,
) -> Result<Begun, Begun> {
    let request: DeleteGroupsRequest = decode(header, body)?;
    let coordinators = &context.state.coordinators;
    let mut replies = Vec::new();
    for (partition, groups) in by_partition(context, &request.groups_names) {
        replies.push(coordinators.submit(partition, GroupRequest::Delete(groups)).await);
    }
    let header = header.clone();
    let later: Later = Box::pin(async move {
        let mut deleted = BTreeMap::new();
        for reply in replies {
            match reply.get().await {
                Ok(GroupResponse::Delete(groups)) => deleted.extend(groups),
                Ok(_) => return other(),
                Err(stopped) => return stopped.into(),
            }
        }
        let mut told: BTreeSet<&Str> = BTreeSet::new();
        let ids = request.groups_names.iter().filter(|id| told.insert(*id));
        let result = |id: &Str| DeletableGroupResult {
            group_id: id.clone(),
            error_code: code(deleted.get(&**id).copied().flatten()),
        };
        let results = ids.map(result).collect();
        answered::<DeleteGroupsRequest>(&header, &DeleteGroupsResponse { results, ..Default::default() })
    });
    Ok(Begun::Later(later))
}
