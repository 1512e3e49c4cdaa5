//! The program that puts records into DNS and takes them out.

use std::process::Stdio;

use evenkeel_net::clock;
use evenkeel_plan::DnsHook;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// Bytes of what it says that are told, the last ones.
const SAID_MAX: usize = 500;

/// Runs it: `ACTION RECORD VALUE` behind its own arguments, and the same in the environment.
pub(crate) async fn run(
    hook: &DnsHook,
    action: &str,
    (domain, record, value): (&str, &str, &str),
) -> Result<(), String> {
    let Some((program, first)) = hook.command.split_first() else {
        return Err("no command".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(first)
        .args([action, record, value])
        .env("EVENKEEL_ACME_ACTION", action)
        .env("EVENKEEL_ACME_DOMAIN", domain)
        .env("EVENKEEL_ACME_RECORD", record)
        .env("EVENKEEL_ACME_VALUE", value)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|why| format!("{program}: {why}"))?;
    let errors = child.stderr.take();
    let ended = async {
        let said = async {
            match errors {
                Some(errors) => last_of(errors).await,
                None => String::new(),
            }
        };
        tokio::join!(child.wait(), said)
    };
    // When time is over, the child is dropped here, and thereby killed.
    let Some((status, said)) = clock::within(hook.timeout, ended).await else {
        return Err(format!("{program} {action} took longer than {:?}", hook.timeout));
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} {action} {record}: {status}: {}", said.trim())),
        Err(why) => Err(format!("{program} {action} {record}: {why}")),
    }
}

/// Reads to the end and keeps the last of it.
async fn last_of(mut from: impl AsyncRead + Unpin) -> String {
    let (mut kept, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(1..) = from.read(&mut piece).await.inspect(|n| {
        kept.extend_from_slice(&piece[..*n]);
        let beyond = kept.len().saturating_sub(SAID_MAX);
        kept.drain(..beyond);
    }) {}
    String::from_utf8_lossy(&kept).into_owned()
}
