//! A broker's life with its controller: registration, heartbeats, controlled shutdown (KIP-631, KIP-841).
//!
//! | state | asks | leaves it |
//! |---|---|---|
//! | registering | `RegisterBroker`, again after a pause until it is registered | the answer brings a broker epoch; told to stop before it asked |
//! | registered | `Heartbeat`, at an interval; at once when it has caught up with the metadata | told to stop; the epoch is stale, or not known |
//! | leaving | `Heartbeat` that wants to shut down | the controller says that it may, or patience ends |
//! | left | nothing | never |
//!
//! A broker that is told to stop while it registers first learns what came of that, if it can: it may be registered without knowing, and only
//! with the newest broker epoch in hand can the next start say that this stop was clean (KIP-966).
//!
//! A broker asks to stay fenced until it has applied its own registration, because only then does it know what it leads.

use std::time::Duration;

use highwater_core::controller::{BrokerStanding, ControllerError, Heartbeat, RegisterBroker};
use highwater_core::{Instant, Offset, Uuid};

use crate::config::NodeConfig;
use crate::ports::{Fatal, Ports};
use crate::timers::Timer;

/// Kafka's numbers of the errors that a broker acts upon.
mod code {
    pub(super) const STALE_BROKER_EPOCH: i16 = 77;
    pub(super) const BROKER_ID_NOT_REGISTERED: i16 = 102;
    pub(super) const INCONSISTENT_CLUSTER_ID: i16 = 104;
}

/// What a broker asks its controller next.
#[derive(Debug)]
pub(crate) enum Call {
    /// To be registered; the attempt of this number.
    Register(u64, Box<RegisterBroker>),
    /// To be seen alive; the attempt of this number.
    Heartbeat(u64, Heartbeat),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Registering,
    Registered { broker_epoch: i64 },
    Leaving { broker_epoch: i64 },
    Left,
}

/// Where a broker stands with its controller.
///
/// - At most one attempt is open, that of number `attempt`; answers to others say nothing any more.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    incarnation: Uuid,
    /// The newest broker epoch: of this start, or where it has none yet, of the last stop if that was clean; else -1.
    newest: i64,
    state: State,
    standing: BrokerStanding,
    caught_up: bool,
    attempt: u64,
    open: bool,
    hurried: bool,
    armed: Option<Instant>,
    shut_down: Option<Instant>,
    /// Told to stop while registering.
    leaves_when_registered: bool,
    reported: Option<i16>,
    /// When the active controller last said how the broker stands.
    heard: Option<Instant>,
    heartbeat_interval: Duration,
    backoff: Duration,
}

impl Lifecycle {
    /// A broker that starts. `previous_broker_epoch` is that of the last clean stop, or -1.
    pub(crate) fn new(
        config: &NodeConfig,
        incarnation: Uuid,
        previous_broker_epoch: i64,
        ports: &mut Ports,
    ) -> Self {
        let mut lifecycle = Self {
            incarnation,
            newest: previous_broker_epoch,
            state: State::Registering,
            standing: BrokerStanding { caught_up: false, fenced: true, should_shut_down: false },
            caught_up: false,
            attempt: 0,
            open: false,
            hurried: false,
            armed: None,
            shut_down: None,
            leaves_when_registered: false,
            reported: None,
            heard: None,
            heartbeat_interval: config.broker_heartbeat_interval,
            backoff: config.broker_registration_backoff,
        };
        lifecycle.hurry(ports);
        lifecycle
    }

    /// The newest broker epoch, if registered.
    pub(crate) fn broker_epoch(&self) -> Option<i64> {
        match self.state {
            State::Registered { broker_epoch } | State::Leaving { broker_epoch } => Some(broker_epoch),
            State::Registering | State::Left => None,
        }
    }

    /// The broker epoch that a clean stop leaves behind.
    pub(crate) fn newest_epoch(&self) -> i64 {
        self.newest
    }

    /// When the active controller last said how the broker stands.
    pub(crate) fn last_heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Whether the controller, by its last answer, keeps the broker fenced.
    pub(crate) fn fenced(&self) -> bool {
        self.standing.fenced
    }

    /// Whether the broker has left, or never was there.
    pub(crate) fn left(&self) -> bool {
        self.state == State::Left
    }

    /// The broker has (or has not) applied its own registration.
    pub(crate) fn set_caught_up(&mut self, ports: &mut Ports, caught_up: bool) {
        if caught_up && !self.caught_up {
            self.hurry(ports);
        }
        self.caught_up = caught_up;
    }

    /// The broker shall leave in good order, for which it has until `patience` has passed.
    pub(crate) fn leave(&mut self, ports: &mut Ports, patience: Duration) {
        match self.state {
            State::Registering if self.attempt == 0 => return self.depart(ports),
            State::Registering => self.leaves_when_registered = true,
            State::Registered { broker_epoch } => {
                self.state = State::Leaving { broker_epoch };
                self.hurry(ports);
            }
            State::Leaving { .. } | State::Left => return,
        }
        let deadline = Some(ports.now + patience);
        ports.timers.arm(Timer::ShutDown, &mut self.shut_down, deadline);
    }

    /// The patience of [`Lifecycle::leave`] has ended.
    pub(crate) fn lose_patience(&mut self, ports: &mut Ports) {
        self.shut_down = None;
        self.depart(ports);
    }

    /// The timer of the next attempt has run out.
    pub(crate) fn run_out(&mut self) {
        self.armed = None;
    }

    /// Asks what is due, if the time has come and nothing is open. `listed` holds what a registration says besides.
    pub(crate) fn next_call(
        &mut self,
        ports: &mut Ports,
        config: &NodeConfig,
        applied: Offset,
        listed: impl FnOnce(&NodeConfig) -> RegisterBroker,
    ) -> Option<Call> {
        if self.open || self.armed.is_some_and(|deadline| deadline > ports.now) || self.state == State::Left {
            return None;
        }
        ports.timers.arm(Timer::Lifecycle, &mut self.armed, None);
        self.open = true;
        self.hurried = false;
        self.attempt += 1;
        let Some(broker_epoch) = self.broker_epoch() else {
            let register = RegisterBroker {
                incarnation: self.incarnation,
                previous_broker_epoch: self.newest,
                ..listed(config)
            };
            return Some(Call::Register(self.attempt, Box::new(register)));
        };
        let heartbeat = Heartbeat {
            id: config.node_id,
            broker_epoch,
            metadata_offset: applied,
            want_fence: !self.caught_up,
            want_shut_down: matches!(self.state, State::Leaving { .. }),
        };
        Some(Call::Heartbeat(self.attempt, heartbeat))
    }

    /// An attempt was not answered, or by who is no controller.
    pub(crate) fn failed(&mut self, ports: &mut Ports, attempt: u64) {
        if self.close(attempt) {
            self.pause(ports, self.backoff);
        }
    }

    /// A registration was answered.
    pub(crate) fn registered(
        &mut self,
        ports: &mut Ports,
        attempt: u64,
        answer: Result<i64, ControllerError>,
    ) -> Result<(), Fatal> {
        if !self.close(attempt) || self.state != State::Registering {
            return Ok(());
        }
        match answer {
            Ok(broker_epoch) => {
                self.state = match self.leaves_when_registered {
                    true => State::Leaving { broker_epoch },
                    false => State::Registered { broker_epoch },
                };
                self.newest = broker_epoch;
                self.caught_up = false;
                self.reported = None;
                self.pause(ports, Duration::ZERO);
            }
            Err(error) if error.code == code::INCONSISTENT_CLUSTER_ID => {
                return Err(Fatal::new("the controller refuses this broker", error.message));
            }
            Err(error) => {
                self.report(ports, "registration", &error);
                self.pause(ports, self.backoff);
            }
        }
        Ok(())
    }

    /// A heartbeat was answered.
    pub(crate) fn heard(
        &mut self,
        ports: &mut Ports,
        attempt: u64,
        answer: Result<BrokerStanding, ControllerError>,
    ) {
        if !self.close(attempt) || self.state == State::Left {
            return;
        }
        match answer {
            Ok(standing) => {
                self.standing = standing;
                self.heard = Some(ports.now);
                self.reported = None;
                match self.state {
                    State::Leaving { .. } if standing.should_shut_down => self.depart(ports),
                    // What holds it up are leaderships, which move soon.
                    State::Leaving { .. } => self.pause(ports, self.backoff),
                    _ => self.pause(ports, self.heartbeat_interval),
                }
            }
            Err(error)
                if error.code == code::STALE_BROKER_EPOCH || error.code == code::BROKER_ID_NOT_REGISTERED =>
            {
                self.report(ports, "heartbeat", &error);
                if matches!(self.state, State::Leaving { .. }) {
                    // Fenced for good, so it leads nothing.
                    return self.depart(ports);
                }
                self.state = State::Registering;
                self.standing.fenced = true;
                self.caught_up = false;
                self.pause(ports, Duration::ZERO);
            }
            Err(error) => {
                self.report(ports, "heartbeat", &error);
                self.pause(ports, self.backoff);
            }
        }
    }

    /// The next attempt is due now, or as soon as the open one is answered.
    pub(crate) fn hurry(&mut self, ports: &mut Ports) {
        if self.open {
            self.hurried = true;
        } else {
            self.pause(ports, Duration::ZERO);
        }
    }

    fn close(&mut self, attempt: u64) -> bool {
        let mine = self.open && attempt == self.attempt;
        if mine {
            self.open = false;
        }
        mine
    }

    fn pause(&mut self, ports: &mut Ports, pause: Duration) {
        let deadline = Some(if self.hurried { ports.now } else { ports.now + pause });
        ports.timers.arm(Timer::Lifecycle, &mut self.armed, deadline);
    }

    fn depart(&mut self, ports: &mut Ports) {
        self.state = State::Left;
        ports.timers.arm(Timer::Lifecycle, &mut self.armed, None);
        ports.timers.arm(Timer::ShutDown, &mut self.shut_down, None);
    }

    /// Says each kind of refusal once.
    fn report(&mut self, ports: &mut Ports, of: &str, error: &ControllerError) {
        if self.reported.replace(error.code) != Some(error.code) {
            ports.report(format!("{of} refused by the controller ({}): {}", error.code, error.message));
        }
    }
}
