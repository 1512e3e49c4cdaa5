//! An origin as a process: `testkit-origin NAME PORT`. Ends when its stdin does, so that it does
//! not outlive a test that was killed.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_testkit::{Answer, Origin, raise_fd_limit};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "origin".to_owned());
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    raise_fd_limit(65_536);
    let text = name.clone();
    let origin = Origin::at(&name, SocketAddr::from(([127, 0, 0, 1], port)), move |head| {
        if head.field("upgrade").is_some() {
            Answer::upgrade()
        } else if head.target() == "/slow" {
            Answer::text(&text).delayed(Duration::from_millis(300))
        } else {
            Answer::text(&text)
        }
    });
    writeln!(io::stdout(), "listening {}", origin.address())?;
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
