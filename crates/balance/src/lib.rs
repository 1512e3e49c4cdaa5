//! Who gets the next request: no sockets, tasks, clocks or HTTP; now, rng and key are arguments.
