//! Bytes in, events out: no I/O, no clock; every module has a fuzz target.
