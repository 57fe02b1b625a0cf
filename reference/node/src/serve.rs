//! What a node knows of the cluster, and what it says to clients without a broker.

use highwater_core::Uuid;
use highwater_core::partition::PartitionError;
use highwater_log::disk::Disk;

use crate::fetching;
use crate::message::{ClientRequest, ClientResponse, ClusterView, FetchPartition};
use crate::node::Node;

impl<D: Disk> Node<D> {
    /// What this node knows of the cluster.
    pub(crate) fn cluster_view(&self) -> ClusterView {
        let image = &self.metadata.image;
        let brokers =
            image.brokers().iter().filter(|(_, broker)| !broker.fenced).map(|(id, _)| *id).collect();
        let topic = |(name, id): (&String, &Uuid)| {
            let partitions = image.topic(*id).into_iter().flat_map(|topic| topic.partitions.values());
            let leaders = partitions.map(|partition| (partition.state.leader, partition.state.leader_epoch));
            (name.clone(), *id, leaders.collect())
        };
        let topics = image.topic_names().iter().map(topic).collect();
        ClusterView { controller: self.metadata.quorum.core().leader(), brokers, topics }
    }
}

/// Refuses what only brokers do.
pub(crate) fn refused(request: ClientRequest) -> ClientResponse {
    const ERROR: PartitionError = PartitionError::NotLeaderOrFollower;
    match request {
        ClientRequest::Produce(produce) => {
            let partitions = produce.partitions.into_iter().map(|(id, _)| (id, Err(ERROR.into())));
            ClientResponse::Produce(partitions.collect())
        }
        ClientRequest::Fetch(fetch) => {
            let refused = |part: FetchPartition| fetching::not_here(part.partition);
            ClientResponse::Fetch(fetch.partitions.into_iter().map(refused).collect())
        }
        ClientRequest::ListOffsets(asked) => ClientResponse::ListOffsets(
            asked.partitions.into_iter().map(|query| (query.partition, Err(ERROR))).collect(),
        ),
        ClientRequest::OffsetsForLeaderEpoch(asked) => ClientResponse::OffsetsForLeaderEpoch(
            asked.into_iter().map(|query| (query.partition, Err(ERROR))).collect(),
        ),
        ClientRequest::DeleteRecords(asked) => ClientResponse::DeleteRecords(
            asked.partitions.into_iter().map(|(id, _)| (id, Err(ERROR))).collect(),
        ),
        ClientRequest::Controller(_) | ClientRequest::Metadata => ClientResponse::Controller(None),
    }
}
