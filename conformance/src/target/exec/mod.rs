//! Adapters: programs that speak the suite's protocol over standard input and output.
