//! Pure: files in, plan and diagnostics out; never panics, never touches the network.
