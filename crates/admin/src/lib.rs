//! The admin API, metrics page and dashboard: talks to the controller's handle only.
