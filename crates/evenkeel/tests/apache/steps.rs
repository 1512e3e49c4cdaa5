//! What is done in a case, and what is seen.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_testkit::*;

use crate::oracle::Balancer;
use crate::pages;
use crate::script::Script;

/// Headers that are not compared even in full: they are ours to choose.
const OURS: &[&str] =
    &["date", "server", "connection", "keep-alive", "content-length", "transfer-encoding"];

/// The client's connections: the one of the last request, and those that still wait.
#[derive(Default)]
struct Lines {
    kept: Option<Client>,
    waiting: Vec<Client>,
}

/// What a sequence of steps came to, a line for each request.
pub(crate) fn trace(script: &Script, balancer: &Balancer, origins: &mut [Origin; 3]) -> String {
    let mut trace = String::new();
    let mut lines = Lines::default();
    for written in &script.steps {
        if !written.starts_with("got ") {
            origins.iter().for_each(Origin::forget);
        }
        let step = &with_members(written, origins);
        if set_up(step, origins) {
            continue;
        }
        if script.calm || ["page ", "rows ", "xml "].iter().any(|word| step.starts_with(word)) {
            std::thread::sleep(Duration::from_millis(30));
        }
        let (timed, step) = match step.strip_prefix("~ ") {
            Some(step) => (true, step),
            None => (false, step.as_str()),
        };
        let since = Instant::now();
        let mut line = seen(script, balancer, step, origins, &mut lines);
        if timed {
            let _ = write!(line, " after {:.0} s", since.elapsed().as_secs_f64());
        }
        // Writing to a string cannot fail.
        let _ = writeln!(trace, "{written} → {}", without_ports(line, balancer, origins));
    }
    trace
}

/// What comes of a step.
fn seen(
    script: &Script,
    balancer: &Balancer,
    step: &str,
    origins: &[Origin; 3],
    lines: &mut Lines,
) -> String {
    let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
    match word {
        "raw" => raw(balancer, rest),
        "&" => begin(balancer, rest, origins, lines),
        "join" => {
            let answers = lines.waiting.drain(..).map(|mut client| match client.answer() {
                Ok(answer) => answer.status.to_string(),
                Err(_) => "closed".to_owned(),
            });
            answers.collect::<Vec<String>>().join(" ")
        }
        "leave" => {
            lines.waiting.clear();
            "left".to_owned()
        }
        "probed" => probed(rest, origins),
        "got" => got(rest, origins),
        "wire" => on_the_wire(balancer, rest),
        "page" => pages::page(balancer, rest),
        "rows" => pages::rows(balancer, rest),
        "lines" => pages::lines(balancer, rest),
        "log" => logged(balancer, rest),
        "xml" => pages::xml(balancer, rest),
        "order" => pages::order(balancer, rest),
        _ => ask(script, balancer, step, origins, lines),
    }
}

/// `{a}`, `{b}` and `{c}` in a step are the members' addresses.
fn with_members(step: &str, origins: &[Origin; 3]) -> String {
    let places = ["{a}", "{b}", "{c}"].iter().zip(origins);
    places.fold(step.to_owned(), |step, (place, origin)| step.replace(place, &origin.member()))
}

/// Steps that change origins; false for requests.
fn set_up(step: &str, origins: &mut [Origin; 3]) -> bool {
    let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let at = ["a", "b", "c"].iter().position(|known| *known == name);
    let millis = |text: &str| Duration::from_millis(text.parse().expect("milliseconds"));
    match (word, at) {
        ("kill", Some(at)) => origins[at].kill(),
        ("start", Some(at)) => origins[at].restart(),
        ("well", Some(at)) => origins[at].set(Answer::text(name)),
        ("mute", Some(at)) => origins[at].set(Answer::never()),
        ("cut", Some(at)) => origins[at].set(Answer::close()),
        ("slow", Some(at)) => origins[at].set(Answer::text(name).delayed(millis(rest))),
        ("big", Some(at)) => origins[at].set(Answer::big(rest.parse().expect("a length"))),
        ("say", Some(at)) => origins[at].set(Answer::raw(unescaped(rest)).then_close()),
        ("answer", Some(at)) => {
            let (status, fields) = rest.split_once(' ').unwrap_or((rest, ""));
            let status = status.parse().expect("a status");
            let fields: Vec<(&str, &str)> =
                fields.split(" | ").filter_map(|field| field.split_once(": ")).collect();
            origins[at].set(Answer::with_fields(status, &fields, name));
        }
        ("wait", None) => std::thread::sleep(millis(name)),
        _ => return false,
    }
    true
}

fn unescaped(text: &str) -> Vec<u8> {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0").into_bytes()
}

/// Bytes as they are: only the status is compared, and whether anything is said.
fn raw(balancer: &Balancer, bytes: &str) -> String {
    let mut client = Client::connect(balancer.address);
    if client.send(unescaped(bytes)).is_err() {
        return "closed".to_owned();
    }
    match client.answer() {
        Ok(answer) => answer.status.to_string(),
        Err(_) => "closed".to_owned(),
    }
}

/// `GET TARGET [Name: value | Name: value]`, whose answer is left for `join`.
fn begin(balancer: &Balancer, step: &str, origins: &[Origin; 3], lines: &mut Lines) -> String {
    let request = Request::parse(step);
    let mut client = request.connect(balancer);
    let fields: String =
        request.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("{} {} HTTP/1.1\r\nHost: test\r\n{fields}\r\n", request.method, request.target);
    if client.send(head).is_err() {
        return "closed".to_owned();
    }
    lines.waiting.push(client);
    wait_until(Duration::from_secs(1), || origins.iter().any(|origin| origin.requests() > 0));
    let names = ["a", "b", "c"].iter().zip(origins);
    let busy = names.filter(|(_, origin)| !origin.received().is_empty());
    busy.map(|(name, _)| format!("[{name}]")).collect()
}

/// The next thing that a member is asked by itself.
fn probed(name: &str, origins: &[Origin; 3]) -> String {
    let at = ["a", "b", "c"].iter().position(|known| *known == name).expect("a member");
    let got = wait_for(Duration::from_secs(2), || origins[at].received().pop());
    got.map_or_else(|| "nothing".to_owned(), |got| whole(&got.head))
}

/// All that a member got in the step before: the head with everything in it, and the body.
fn got(name: &str, origins: &[Origin; 3]) -> String {
    let at = ["a", "b", "c"].iter().position(|known| *known == name).expect("a member");
    let received = origins[at].received();
    received.iter().fold(String::new(), |out, got| {
        let body = String::from_utf8_lossy(&got.body).into_owned();
        format!("{out}{} <<{body}", whole(&got.head))
    })
}

/// What the client gets: interim answers, and whether the body comes in chunks.
fn on_the_wire(balancer: &Balancer, step: &str) -> String {
    let request = Request::parse(step);
    let mut client = request.connect(balancer);
    let answer = client.request(request.method, request.target, &request.fields, &request.body);
    let Ok(answer) = answer else { return "closed".to_owned() };
    let mut line = String::new();
    for head in &answer.interim {
        line += &whole(head);
    }
    let framed = ["transfer-encoding", "content-length"].map(|name| answer.head.field(name));
    format!(
        "{line} {} {framed:?} {} trailers <<{}",
        answer.status,
        answer.trailers.len(),
        answer.text()
    )
}

/// The lines of a log, once nothing more comes.
fn logged(balancer: &Balancer, name: &str) -> String {
    let mut seen = balancer.file(name);
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = balancer.file(name);
        if now == seen {
            // Cores write for themselves: the order is not promised.
            let mut lines: Vec<&str> = seen.lines().collect();
            lines.sort_unstable();
            return lines.iter().map(|line| format!("\n  {line}")).collect();
        }
        seen = now;
    }
}

/// A head with everything in it.
fn whole(head: &Head) -> String {
    let fields = head.fields.iter().map(|(name, value)| format!(" {name}={value}"));
    format!(" [{}{}]", head.start_line, fields.collect::<String>())
}

/// `[from IP ][to IP ]METHOD TARGET [Name: value | Name: value][ <<body]`.
struct Request<'a> {
    from: Option<IpAddr>,
    to: Option<IpAddr>,
    method: &'a str,
    target: &'a str,
    fields: Vec<(&'a str, &'a str)>,
    body: Vec<u8>,
}

impl<'a> Request<'a> {
    fn parse(step: &'a str) -> Request<'a> {
        let (from, step) = address("from ", step);
        let (to, step) = address("to ", step);
        let (step, body) = step.split_once(" <<").unwrap_or((step, ""));
        let mut words = step.splitn(3, ' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let fields = words.next().unwrap_or_default().split(" | ");
        let body = match body.strip_prefix("*").and_then(|count| count.parse().ok()) {
            Some(count) => vec![b'x'; count],
            None => body.as_bytes().to_vec(),
        };
        Request {
            from,
            to,
            method,
            target,
            fields: fields.filter_map(|f| f.split_once(": ")).collect(),
            body,
        }
    }

    fn connect(&self, balancer: &Balancer) -> Client {
        let mut address = balancer.address;
        address.set_ip(self.to.unwrap_or(address.ip()));
        match self.from {
            Some(ip) => Client::connect_from(ip, address),
            // Who answered while it was started may have been somebody else on that port.
            None => wait_for(LONG, || Client::try_connect(address).ok())
                .unwrap_or_else(|| panic!("the balancer says\n{}", balancer.words())),
        }
    }
}

/// An address after a word.
fn address<'a>(word: &str, step: &'a str) -> (Option<IpAddr>, &'a str) {
    let Some((ip, rest)) = step.strip_prefix(word).and_then(|step| step.split_once(' ')) else {
        return (None, step);
    };
    (Some(ip.parse().expect("an address")), rest)
}

/// A request, with `+ ` before it on the connection of the one before.
fn ask(
    script: &Script,
    balancer: &Balancer,
    step: &str,
    origins: &[Origin; 3],
    lines: &mut Lines,
) -> String {
    let (again, step) = match step.strip_prefix("+ ") {
        Some(step) => (true, step),
        None => (false, step),
    };
    let request = Request::parse(step);
    let kept = lines.kept.take().filter(|_| again);
    let mut client = kept.unwrap_or_else(|| request.connect(balancer));
    let answered = client.request(request.method, request.target, &request.fields, &request.body);
    let Ok(answer) = answered else { return "closed".to_owned() };
    lines.kept = Some(client);
    let mut line = answer.status.to_string();
    for (name, origin) in ["a", "b", "c"].iter().zip(origins) {
        if let Some(got) = asked(&origin.received()) {
            line += &match script.heads {
                true => whole(&got.head),
                false => got_by(name, got, script.full),
            };
        }
    }
    for (name, value) in shown(&answer.head, script.full) {
        let _ = write!(line, " {name}={value}");
    }
    if script.bodies {
        let _ = write!(line, " <<{}", answer.text());
    }
    line
}

/// The last request that is not a check of health: checks come when they come, and name nobody
/// they are forwarded for.
fn asked(received: &[Received]) -> Option<&Received> {
    received.iter().rfind(|got| {
        let check = ["/h", "/health"].contains(&got.head.target());
        !check || got.head.field("x-forwarded-for").is_some()
    })
}

/// What a member got.
fn got_by(name: &str, got: &Received, full: bool) -> String {
    let head = &got.head;
    let mut line = format!(" [{name} {} {}", head.method(), head.target());
    if full {
        for (name, value) in shown(head, true) {
            let _ = write!(line, " {name}={value}");
        }
        if !got.body.is_empty() {
            let _ = write!(line, " <<{}", String::from_utf8_lossy(&got.body));
        }
    } else {
        let field = |name: &str| head.field(name).unwrap_or("-").to_owned();
        let _ = write!(
            line,
            " host={} for={} fhost={}",
            field("host"),
            field("x-forwarded-for"),
            field("x-forwarded-host"),
        );
    }
    line + "]"
}

/// The headers that are compared, sorted.
fn shown(head: &Head, full: bool) -> Vec<(String, String)> {
    let usual = ["location", "content-location", "set-cookie", "x-note"];
    let wanted = |name: &str| match full {
        true => !OURS.contains(&name),
        false => usual.contains(&name),
    };
    let mut fields: Vec<(String, String)> = head
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| wanted(name))
        .collect();
    fields.sort();
    fields
}

fn without_ports(line: String, balancer: &Balancer, origins: &[Origin; 3]) -> String {
    let line = line.replace(&balancer.address.port().to_string(), "PORT");
    origins
        .iter()
        .zip(["A", "B", "C"])
        .fold(line, |line, (origin, name)| line.replace(&origin.address().port().to_string(), name))
}
