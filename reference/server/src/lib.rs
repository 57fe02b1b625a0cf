//! The reference broker as a server: a node on a machine's clock, disk and sockets.
//!
//! | part | does |
//! |---|---|
//! | [`config`] | reads `server.properties` in Kafka's names, checks all of it, and says what is wrong by file and line |

pub mod config;
