//! Listeners: `NAME://HOST:PORT`, which of them are for controllers, and what is told to clients.

use std::collections::BTreeMap;
use std::fmt;

use super::Roles;
use super::error::Place;
use super::table::elements;
use super::values::{Values, shown};

/// Where a listener without a host is bound, and the only place where Kafka's defaults are left.
pub const LOOPBACK: &str = "127.0.0.1";

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";
const PROTOCOLS: &str = "listener.security.protocol.map";
const CONTROLLERS: &str = "controller.listener.names";
const INTER_BROKER: &str = "inter.broker.listener.name";
const INTER_BROKER_PROTOCOL: &str = "security.inter.broker.protocol";
const METRICS: &str = "highwater.metrics.listener";

const FORM: &str = "NAME://HOST:PORT, with commas between";

/// A listener, or what clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listener {
    /// Its name, in upper case.
    pub name: String,
    /// The address that it is bound to, or the host that clients are told.
    pub host: String,
    /// The port; 0 for any that is free.
    pub port: u16,
}

/// All that the file says of listeners.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Listeners {
    pub(super) bound: Vec<Listener>,
    pub(super) advertised: Vec<Listener>,
    pub(super) controller_names: Vec<String>,
    pub(super) inter_broker: Option<String>,
    pub(super) metrics: Option<(String, u16)>,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.name, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.name, self.host, self.port)
        }
    }
}

/// Host and port of `HOST:PORT`, `[HOST]:PORT` or `:PORT`. Of the host, only that it can be one.
pub(super) fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let can_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'%');
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    (host.bytes().all(can_be) && digits).then_some(())?;
    Some((host, port.parse().ok()?))
}

fn listener(text: &str) -> Option<Listener> {
    let (name, address) = text.split_once("://")?;
    let can_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let (host, port) = host_and_port(address)?;
    let is_name = !name.is_empty() && name.bytes().all(can_be);
    is_name.then(|| Listener { name: name.to_ascii_uppercase(), host: host.to_owned(), port })
}

/// Whether an address stands for all of the machine's.
fn is_wildcard(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified())
}

impl Listeners {
    pub(super) fn read(values: &mut Values, roles: Roles) -> Self {
        let mut listeners = Self {
            bound: bound(values),
            controller_names: names(values, CONTROLLERS),
            metrics: metrics(values),
            ..Self::default()
        };
        listeners.check_protocols(values);
        listeners.check_controllers(values, roles);
        if roles.broker {
            listeners.advertised = listeners.read_advertised(values);
            listeners.inter_broker = listeners.read_inter_broker(values);
        } else {
            listeners.check_unused(values);
        }
        listeners
    }

    fn is_controllers(&self, name: &str) -> bool {
        self.controller_names.iter().any(|controller| controller == name)
    }

    /// Each name has a protocol, and that is PLAINTEXT.
    fn check_protocols(&self, values: &mut Values) {
        let mapped = protocols(values);
        let names = self.bound.iter().map(|listener| (LISTENERS, listener.name.as_str()));
        let names = names.chain(self.controller_names.iter().map(|name| (CONTROLLERS, name.as_str())));
        let mut told: Vec<&str> = Vec::new();
        for (key, name) in names {
            if told.contains(&name) {
                continue;
            }
            told.push(name);
            let plain = "the protocol PLAINTEXT, the only one that there is here";
            match mapped.get(name).map(String::as_str) {
                Some("PLAINTEXT") => {}
                // What a protocol map says of it is told where that stands.
                Some(_) if values.given(PROTOCOLS).is_some() => {}
                Some(protocol) => {
                    let found = format!("the listener {name}, which stands for {protocol}");
                    let cure = "Use PLAINTEXT, and put TLS and authentication in front of the broker.";
                    values.refuse(key, found, plain, cure);
                }
                // As in Kafka: without a map of its own a controller's listener is PLAINTEXT.
                None if values.given(PROTOCOLS).is_none() && self.is_controllers(name) => {}
                None => {
                    let found = format!("the listener {name}, which {PROTOCOLS} does not have");
                    let cure =
                        format!("Add {name}:PLAINTEXT to {PROTOCOLS}, with those of all other listeners.");
                    values.refuse(key, found, plain, cure);
                }
            }
        }
    }

    fn check_controllers(&self, values: &mut Values, roles: Roles) {
        if self.controller_names.is_empty() {
            if !values.is_tried(CONTROLLERS) || values.given(CONTROLLERS).is_some() {
                let expected = "the name of the listener that controllers are reached at";
                values.refuse(CONTROLLERS, "nothing", expected, format!("Set {CONTROLLERS}=CONTROLLER."));
            }
            return;
        }
        let here: Vec<String> = self
            .bound
            .iter()
            .filter(|each| self.is_controllers(&each.name))
            .map(Listener::to_string)
            .collect();
        if !roles.controller {
            for listener in here {
                let cure = format!(
                    "Take it out of {LISTENERS}; or add controller to process.roles, and this node to \
                     controller.quorum.voters."
                );
                let found = format!("the controllers' listener {listener}");
                values.refuse(LISTENERS, found, "listeners for brokers only on a broker", cure);
            }
            return;
        }
        for name in &self.controller_names {
            if !self.bound.iter().any(|listener| listener.name == *name) {
                let expected = format!("names that {LISTENERS} has");
                let cure = format!("Add {name}://HOST:PORT to {LISTENERS}.");
                values.refuse(
                    CONTROLLERS,
                    format!("{name}, which {LISTENERS} does not have"),
                    expected,
                    cure,
                );
            }
        }
        if !roles.broker {
            for listener in self.bound.iter().filter(|each| !self.is_controllers(&each.name)) {
                let cure = format!(
                    "Take it out of {LISTENERS}, name it in {CONTROLLERS}, or add broker to process.roles."
                );
                let found = format!("the listener {listener}");
                values.refuse(LISTENERS, found, "listeners for controllers only on a controller", cure);
            }
        }
    }

    /// What brokers tell clients.
    fn read_advertised(&self, values: &mut Values) -> Vec<Listener> {
        let mut advertised = Vec::new();
        let (key, told) = match values.given(ADVERTISED).map(str::to_owned) {
            Some(text) if !text.is_empty() => (ADVERTISED, parse(values, ADVERTISED, &text)),
            _ => (LISTENERS, self.bound.clone()),
        };
        for mut listener in told {
            // Controllers' listeners may be advertised, and are: to nobody, since voters are static.
            if self.is_controllers(&listener.name) {
                continue;
            }
            let Some(bound) = self.bound.iter().find(|bound| bound.name == listener.name) else {
                let found = format!("{listener}, where {LISTENERS} has no {}", listener.name);
                let cure = format!("Add {} to {LISTENERS}, or take it out here.", listener.name);
                values.refuse(key, found, format!("names that {LISTENERS} has"), cure);
                continue;
            };
            if listener.host.is_empty() {
                listener.host.clone_from(&bound.host);
            }
            if is_wildcard(&listener.host) {
                let cure = format!("Set {ADVERTISED}={}://HOST:{}.", listener.name, listener.port);
                let expected = "a host that clients can connect to";
                values.refuse(key, format!("{listener} as what clients are told"), expected, cure);
                continue;
            }
            advertised.push(listener);
        }
        if advertised.is_empty() && values.faults.is_empty() {
            let cure = format!("Add PLAINTEXT://HOST:PORT to {LISTENERS}.");
            let expected =
                format!("one at least that {CONTROLLERS} does not name, for clients and other brokers");
            values.refuse(LISTENERS, "listeners for controllers only", expected, cure);
        }
        advertised
    }

    fn read_inter_broker(&self, values: &mut Values) -> Option<String> {
        let by_protocol = values.text(INTER_BROKER_PROTOCOL).unwrap_or_default().to_ascii_uppercase();
        if by_protocol != "PLAINTEXT" {
            let cure = "Take it out: there is only PLAINTEXT here; put TLS in front of the broker.";
            values.refuse(INTER_BROKER_PROTOCOL, by_protocol, "PLAINTEXT", cure);
            return None;
        }
        let (key, name) = match values.some_text(INTER_BROKER) {
            Some(name) => (INTER_BROKER, name.to_ascii_uppercase()),
            // The listener whose name is that of the protocol.
            None => (INTER_BROKER_PROTOCOL, by_protocol),
        };
        if key == INTER_BROKER && values.given(INTER_BROKER_PROTOCOL).is_some() {
            let expected = format!("only one of {INTER_BROKER} and {INTER_BROKER_PROTOCOL}");
            values.refuse(INTER_BROKER_PROTOCOL, "both", expected, "Take it out.");
        }
        if self.advertised.iter().any(|listener| listener.name == name) {
            return Some(name);
        }
        // Listeners that are wrong themselves were told already.
        if !self.advertised.is_empty() {
            let names: Vec<&str> = self.advertised.iter().map(|listener| listener.name.as_str()).collect();
            let cure = format!("Set {INTER_BROKER} to one of them.");
            let expected = format!("one that is advertised: {}", names.join(", "));
            values.refuse(INTER_BROKER, format!("the listener {name} for brokers"), expected, cure);
        }
        None
    }

    /// What a controller does not use, though it may be checked.
    fn check_unused(&self, values: &mut Values) {
        let Some(text) = values.given(ADVERTISED).map(str::to_owned) else { return };
        for listener in parse(values, ADVERTISED, &text) {
            if is_wildcard(&listener.host) {
                let cure = "Name a host that others can connect to, or take it out.";
                values.refuse(ADVERTISED, listener.to_string(), "a host that others can connect to", cure);
            }
        }
    }
}

/// The listeners of a list, in its order. What is none is refused.
fn parse(values: &mut Values, key: &'static str, text: &str) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    for element in elements(text) {
        let Some(listener) = listener(element) else {
            let cure = "Write for example PLAINTEXT://127.0.0.1:9092.";
            values.refuse(key, shown(element), FORM, cure);
            continue;
        };
        if let Some(other) = listeners.iter().find(|other| other.name == listener.name) {
            let found = format!("{} twice, {other} and {listener}", listener.name);
            values.refuse(key, found, "each name once", "Give one of them another name.");
            continue;
        }
        listeners.push(listener);
    }
    listeners
}

/// `listeners`, each bound to loopback where it has no host.
fn bound(values: &mut Values) -> Vec<Listener> {
    let text = values.text(LISTENERS).unwrap_or_default().to_owned();
    let mut listeners = parse(values, LISTENERS, &text);
    for listener in &mut listeners {
        if listener.host.is_empty() {
            listener.host = LOOPBACK.to_owned();
            if values.given(LISTENERS).is_some() {
                let message = format!(
                    "the listener {} has no host and is bound to loopback only; write 0.0.0.0 for all addresses",
                    listener.name
                );
                values.warn(values.place(LISTENERS), LISTENERS, message);
            }
        }
    }
    for (index, one) in listeners.iter().enumerate() {
        let same = |other: &&Listener| other.port == one.port && other.port != 0 && other.host == one.host;
        if let Some(other) = listeners[..index].iter().find(same) {
            let found = format!("{other} and {one} at one port");
            values.refuse(LISTENERS, found, "a port for each", "Give one of them another port.");
        }
    }
    if listeners.is_empty() && values.place(LISTENERS) != Place::Unset && elements(&text).next().is_none() {
        values.refuse(LISTENERS, "nothing", FORM, "Name a listener, or take it out for the default.");
    }
    listeners
}

fn names(values: &Values, key: &'static str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in values.list(key) {
        let name = name.to_ascii_uppercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// `listener.security.protocol.map`, protocols by the names of listeners.
fn protocols(values: &mut Values) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    let text = values.text(PROTOCOLS).unwrap_or_default().to_owned();
    let is_given = values.given(PROTOCOLS).is_some();
    for element in elements(&text) {
        let Some((name, protocol)) = element.split_once(':') else {
            let expected = "NAME:PROTOCOL, with commas between";
            values.refuse(PROTOCOLS, shown(element), expected, "Write for example CONTROLLER:PLAINTEXT.");
            continue;
        };
        let (name, protocol) = (name.trim().to_ascii_uppercase(), protocol.trim().to_ascii_uppercase());
        // What Kafka's sample file has is fine, as long as no listener needs it.
        let is_standard = name == protocol && ["SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&&*protocol);
        let is_needed = !is_standard || is_used(values, &name);
        if is_given && protocol != "PLAINTEXT" && is_needed {
            let cure = format!(
                "Write {name}:PLAINTEXT, and put TLS and authentication in front of the broker; or take it out."
            );
            values.refuse(PROTOCOLS, format!("{name}:{protocol}"), "the protocol PLAINTEXT", cure);
        }
        map.insert(name, protocol);
    }
    map
}

/// Whether a listener has this name.
fn is_used(values: &Values, name: &str) -> bool {
    let begins =
        |element: &str| element.split("://").next().is_some_and(|found| found.eq_ignore_ascii_case(name));
    elements(values.text(LISTENERS).unwrap_or_default()).any(begins)
        || values.list(CONTROLLERS).iter().any(|found| found.eq_ignore_ascii_case(name))
}

/// `highwater.metrics.listener`: `HOST:PORT`, `:PORT` or `PORT`; on loopback where it has no host.
fn metrics(values: &mut Values) -> Option<(String, u16)> {
    let text = values.some_text(METRICS)?.to_owned();
    let port_only = format!(":{text}");
    let found = host_and_port(&text).or_else(|| host_and_port(&port_only));
    match found {
        Some(("", port)) => Some((LOOPBACK.to_owned(), port)),
        Some((host, port)) => Some((host.to_owned(), port)),
        None => {
            let cure = "Write for example 127.0.0.1:9404, or take it out for no metrics.";
            values.refuse(METRICS, shown(&text), "HOST:PORT or PORT", cure);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_forms_are_read() {
        let read = |text| host_and_port(text).map(|(host, port)| (host.to_owned(), port));
        assert_eq!(read("a-b.c:1"), Some(("a-b.c".into(), 1)));
        assert_eq!(read(":65535"), Some((String::new(), 65535)));
        assert_eq!(read("[::1]:9092"), Some(("::1".into(), 9092)));
        for wrong in ["a", "a:", "a:65536", "a:-1", "a:+1", "::1:9092", "[::1:9092", "a b:1", "a/b:1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn listeners_are_written_as_they_are_read() {
        for text in ["PLAINTEXT://h:9092", "A.B_C-1://[::1]:0"] {
            assert_eq!(listener(text).map(|listener| listener.to_string()).as_deref(), Some(text));
        }
        for wrong in ["://h:1", "A:h:1", "A B://h:1", "A://h"] {
            assert_eq!(listener(wrong), None, "{wrong}");
        }
    }
}
