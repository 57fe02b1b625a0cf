//! Worlds from a seed: whole clusters of nodes in one process, under faults, with every invariant checked at each step.
