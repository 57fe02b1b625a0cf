//! The controller core of a node: who asks it, and what it appends.

use std::collections::BTreeMap;

use highwater_core::batch::BatchBuilder;
use highwater_core::controller::{
    Controller, ControllerError, ControllerRequest, ControllerResponse, Effect, MetadataRecord,
    MetadataVersion,
};
use highwater_core::{Epoch, Instant, Token};
use highwater_log::disk::Disk;

use crate::node::Node;
use crate::ports::{Caller, Fatal};

/// A controller core, and for whom it works.
///
/// - `waiting` has an entry for each request that the core has taken and not answered.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) core: Controller,
    waiting: BTreeMap<Token, Caller>,
    next: Token,
    limit: usize,
}

impl Control {
    pub(crate) fn new(core: Controller, limit: usize) -> Self {
        Self { core, waiting: BTreeMap::new(), next: 0, limit }
    }

    /// Passes a request to the core; `Some` if it is refused because too many wait.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        caller: Caller,
        request: ControllerRequest,
    ) -> Option<ControllerResponse> {
        if self.waiting.len() >= self.limit {
            return Some(request.refused(too_many()));
        }
        let token = self.next;
        self.next += 1;
        self.waiting.insert(token, caller);
        self.core.handle(now, token, request);
        None
    }
}

/// Refuses what comes when too much waits already.
pub(crate) fn too_many() -> ControllerError {
    /// Kafka's `REQUEST_TIMED_OUT`, of its errors that which says best what happens.
    const REQUEST_TIMED_OUT: i16 = 7;
    let message = "too many requests wait already; try again later".to_owned();
    ControllerError { code: REQUEST_TIMED_OUT, message }
}

impl<D: Disk> Node<D> {
    /// Carries out what the controller core wants; whether there was anything.
    pub(crate) fn drain_controller(&mut self) -> Result<bool, Fatal> {
        let mut any = false;
        while let Some(effect) = self.control.as_mut().and_then(|control| control.core.poll()) {
            any = true;
            match effect {
                Effect::Append { epoch, records, metadata_version } => {
                    self.append_records(epoch, &records, metadata_version)?;
                }
                Effect::Reply { token, response } => {
                    let caller = self.control.as_mut().and_then(|control| control.waiting.remove(&token));
                    if let Some(caller) = caller {
                        self.controller_answered(caller, Some(response))?;
                    }
                }
            }
        }
        Ok(any)
    }

    fn append_records(
        &mut self,
        epoch: Epoch,
        records: &[MetadataRecord],
        metadata_version: MetadataVersion,
    ) -> Result<(), Fatal> {
        let now = self.ports.now;
        let count = u32::try_from(records.len()).map_err(|error| Fatal::new("a batch of metadata", error))?;
        let timestamp = self.config.timestamp_ms(now);
        let appended = self.metadata.quorum.append(now, epoch, count, |extent| {
            let mut batch = BatchBuilder::new(extent.base, extent.epoch);
            let mut value = Vec::new();
            for record in records {
                value.clear();
                record.encode(metadata_version.of(record), &mut value);
                batch.record(timestamp, None, Some(&value));
            }
            batch.build()
        })?;
        if let Some(control) = &mut self.control {
            match appended {
                Some(extent) => control.core.appended(extent),
                None => control.core.append_refused(now),
            }
        }
        self.drain_quorum()
    }

    /// Asks the active controller, wherever it is; this node itself goes the same way as others.
    pub(crate) fn ask_controller(&mut self, caller: Caller, request: ControllerRequest) -> Result<(), Fatal> {
        let Some(leader) = self.metadata.quorum.core().leader() else {
            return self.controller_answered(caller, None);
        };
        if leader == self.config.node_id {
            return self.serve_controller(caller, request);
        }
        if let Caller::Peer(token) = caller {
            // Whoever is not the controller does not pass requests of brokers on.
            let refused = request.refused(ControllerError::not_controller());
            self.ports.answer_from_controller(Caller::Peer(token), Some(refused));
            return Ok(());
        }
        let is_own = !matches!(caller, Caller::Client(_));
        if !is_own && self.ports.outstanding() >= self.config.waiting_requests_max {
            return self.controller_answered(caller, Some(request.refused(too_many())));
        }
        let patience = match caller {
            Caller::Register(_) | Caller::Heartbeat(_) => self.config.broker_session_timeout / 2,
            _ => self.config.controller_request_timeout,
        };
        let asked = crate::ports::Asked::Controller(caller);
        self.ports.send(leader, crate::message::PeerRequest::Controller(request), asked, patience);
        Ok(())
    }

    /// Passes a request to the controller core of this node, which refuses it unless it is active.
    pub(crate) fn serve_controller(
        &mut self,
        caller: Caller,
        request: ControllerRequest,
    ) -> Result<(), Fatal> {
        let refused = match &mut self.control {
            None => Some(request.refused(ControllerError::not_controller())),
            Some(control) => control.ask(self.ports.now, caller, request),
        };
        match refused {
            Some(response) => self.controller_answered(caller, Some(response)),
            None => Ok(()),
        }
    }

    /// The active controller has answered this caller, or will not.
    pub(crate) fn controller_answered(
        &mut self,
        caller: Caller,
        response: Option<ControllerResponse>,
    ) -> Result<(), Fatal> {
        match (&mut self.broker, caller) {
            (_, Caller::Peer(_) | Caller::Client(_)) => {
                self.ports.answer_from_controller(caller, response);
                Ok(())
            }
            (Some(broker), _) => broker.controller_answered(&mut self.ports, caller, response),
            (None, _) => Ok(()),
        }
    }
}
