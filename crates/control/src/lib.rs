//! The only writer: every change (file, signal, API, health) is one closed enum Command.
