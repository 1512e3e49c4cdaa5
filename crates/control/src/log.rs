//! The access log's writer, as the controller holds it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_observe::access_log::{self, Counters, Format, Report, Sender, Writer};
use evenkeel_observe::events::Event;
use evenkeel_plan::{AccessLog, LogFormat, LogTarget};

use crate::shared::Shared;

/// How long the last lines may take to be written.
const STOP_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct LogFile {
    format: Arc<Format>,
    writer: Writer,
}

impl LogFile {
    /// Opens the log. The error says what to do.
    pub(crate) fn open(plan: &AccessLog, shared: &Arc<Shared>) -> Result<LogFile, String> {
        LogFile::open_for(plan, "set another `path` in [log] access", shared)
    }

    /// Opens a log of an httpd configuration, whose lines are made elsewhere.
    pub(crate) fn of_site(path: &Path, shared: &Arc<Shared>) -> Result<LogFile, String> {
        let target = LogTarget::File(path.to_owned());
        let plan = AccessLog { target, format: LogFormat::Combined };
        LogFile::open_for(&plan, "name another file in CustomLog", shared)
    }

    fn open_for(plan: &AccessLog, else_: &str, shared: &Arc<Shared>) -> Result<LogFile, String> {
        let format = match &plan.format {
            LogFormat::Json => Format::json(),
            LogFormat::Combined => Format::combined(),
            LogFormat::Template(text) => {
                Format::template(text).map_err(|error| format!("access log template: {error}"))?
            }
        };
        let (target, name) = match &plan.target {
            LogTarget::File(path) => {
                (access_log::Target::File(path.clone()), path.display().to_string())
            }
            LogTarget::Stdout => (access_log::Target::Stdout, "stdout".to_owned()),
            LogTarget::Stderr => (access_log::Target::Stderr, "stderr".to_owned()),
        };
        let (shared, told) = (shared.clone(), name.clone());
        let report = move |report: Report| {
            let target = told.clone();
            shared.tell(match report {
                Report::Failing { error, lines_lost } => {
                    Event::LogFailing { target, reason: error, lines_lost }
                }
                Report::Recovered { lines_lost } => Event::LogRecovered { target, lines_lost },
            });
        };
        let writer = Writer::start(target, report).map_err(|error| {
            format!(
                "access log {name} cannot be opened: {error}\n  help: make the directory and let this user \
                 write to it, or {else_}"
            )
        })?;
        Ok(LogFile { format: Arc::new(format), writer })
    }

    pub(crate) fn format(&self) -> Arc<Format> {
        self.format.clone()
    }

    pub(crate) fn sender(&self) -> Sender {
        self.writer.sender()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.writer.counters()
    }

    pub(crate) fn reopen(&self) {
        self.writer.reopen();
    }

    /// Writes what waits, beside the caller: the lines may take their time.
    pub(crate) fn stop(self) {
        if !self.writer.stop(STOP_WAIT) {
            tracing::warn!("the access log did not take its last lines in time");
        }
    }
}
