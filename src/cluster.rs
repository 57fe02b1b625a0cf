//! `highwater cluster`: processes of this same program, as one cluster.

use std::io;

use highwater_cluster::{ClusterArguments, ClusterError};

use crate::output::{Exit, Failure};

pub(crate) fn run(arguments: &ClusterArguments) -> Result<Exit, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::usage(format!("this program cannot be found again: {error}")))?;
    match highwater_cluster::run(arguments, &program, &mut io::stdout(), &mut io::stderr()) {
        Ok(()) => Ok(Exit::Holds),
        Err(ClusterError::Refused(why)) => Err(Failure::usage(why)),
        Err(ClusterError::Failed(why)) => Err(Failure { message: why, exit: Exit::Violated }),
    }
}
