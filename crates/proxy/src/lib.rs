//! The data plane: never names control, admin or config; no files, nothing blocking.
