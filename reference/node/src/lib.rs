//! A node: the cores of a broker, of a controller or of both, over logs on a disk, without a network and without a clock.
//!
//! The node carries out what its cores want ([`highwater_core`]), in order. What it cannot do itself comes out of [`message::Output`]:
//! messages to others, answers to clients, and flushes, which its driver may do later. The broker drives it with sockets and
//! clocks; the simulation with neither.

pub mod message;
