//! Property files for the nodes of a cluster that is being set up.

use std::path::Path;

use super::{Roles, properties};

/// What makes the nodes of a cluster on one machine differ.
#[derive(Debug, Clone, Copy)]
pub struct NodeFile<'a> {
    /// `node.id`.
    pub id: i32,
    /// `process.roles`.
    pub roles: Roles,
    /// The address of all listeners; it is advertised, too.
    pub host: &'a str,
    /// The port for clients and other brokers, if it is a broker.
    pub broker_port: u16,
    /// The port for the quorum, if it is a controller.
    pub controller_port: u16,
    /// All controllers: id and port, each at `host`.
    pub voters: &'a [(i32, u16)],
    /// The data directory.
    pub log_directory: &'a Path,
    /// Further keys with their values. They come last, and so they hold.
    pub further: &'a [(String, String)],
}

impl NodeFile<'_> {
    /// The text of the file, for Kafka as well.
    pub fn text(&self) -> String {
        let host = self.host;
        let mut roles = Vec::new();
        let mut listeners = Vec::new();
        if self.roles.broker {
            roles.push("broker");
            listeners.push(format!("PLAINTEXT://{host}:{}", self.broker_port));
        }
        if self.roles.controller {
            roles.push("controller");
            listeners.push(format!("CONTROLLER://{host}:{}", self.controller_port));
        }
        let voters: Vec<String> =
            self.voters.iter().map(|(id, port)| format!("{id}@{host}:{port}")).collect();
        let mut pairs = vec![
            ("process.roles", roles.join(",")),
            ("node.id", self.id.to_string()),
            ("controller.quorum.voters", voters.join(",")),
            ("listeners", listeners.join(",")),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned()),
            ("controller.listener.names", "CONTROLLER".to_owned()),
        ];
        if self.roles.broker {
            let advertised = format!("PLAINTEXT://{host}:{}", self.broker_port);
            pairs.push(("advertised.listeners", advertised));
            pairs.push(("inter.broker.listener.name", "PLAINTEXT".to_owned()));
        }
        pairs.push(("log.dirs", self.log_directory.display().to_string()));
        let further = self.further.iter().map(|(key, value)| (key.as_str(), value.clone()));
        // A key that is named again takes the place of the one above.
        pairs.retain(|(key, _)| !self.further.iter().any(|(other, _)| other == key));
        properties::write(pairs.into_iter().chain(further))
    }
}
