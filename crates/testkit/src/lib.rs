//! Test tools: scripted clients and members, the binary under test, golden runner.
