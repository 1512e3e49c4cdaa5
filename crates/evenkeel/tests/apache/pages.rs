//! Pages of balancer-manager: what they show, and orders given through them.

use evenkeel_testkit::*;

use crate::oracle::Balancer;

/// What is not compared: sizes, which are told in rounded words.
const SIZES: &[&str] = &["To", "From"];
/// Elements that differ from run to run.
const PASSING: &[&str] = &["error_time", "transferred", "read"];
/// What httpd names there since 2.4.68 only, so that older ones can be the measure too.
const NEWER: &str = "nonce";
/// As the client names the server by default: orders without it are not heard.
const REFERER: (&str, &str) = ("Referer", "http://test/");

/// `PATH[?QUERY]`: the headings, the rows of tables and the fields of forms. A query gets the nonce
/// of its balancer.
pub(crate) fn page(balancer: &Balancer, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let target = match nonce(balancer, path, query) {
        Some(nonce) => format!("{target}&nonce={nonce}"),
        None => target.to_owned(),
    };
    let (status, text) = get(balancer, &target);
    format!("{status}{}", shown(&text))
}

/// `PATH`: the rows about balancers and members, without the titles.
pub(crate) fn rows(balancer: &Balancer, path: &str) -> String {
    let (status, text) = get(balancer, path);
    let shown = shown(&text);
    let rows = shown.lines().filter(|line| line.contains("(a ") || line.contains(" Used]"));
    format!("{status}{}", rows.map(|row| format!("\n{row}")).collect::<String>())
}

/// `PATH PREFIX`: the lines of what is answered that begin so.
pub(crate) fn lines(balancer: &Balancer, rest: &str) -> String {
    let (path, prefix) = rest.split_once(' ').unwrap_or((rest, ""));
    let (status, text) = get(balancer, path);
    let lines = text.lines().filter(|line| line.starts_with(prefix));
    format!("{status}{}", lines.map(|line| format!("\n  {line}")).collect::<String>())
}

/// `PATH`: the elements of the other form of the page.
pub(crate) fn xml(balancer: &Balancer, path: &str) -> String {
    let (status, text) = get(balancer, &format!("{path}?xml=1"));
    let elements = text.split("<httpd:").filter_map(|element| {
        let (name, rest) = element.split_once('>')?;
        let (value, _) = rest.split_once("</").filter(|_| name != NEWER)?;
        let value = if PASSING.contains(&name) { "…" } else { value };
        Some(format!("\n  {name}: {value}"))
    });
    format!("{status}{}", elements.collect::<String>())
}

/// `PATH FORM`: sends the form with the nonce of the balancer it names.
pub(crate) fn order(balancer: &Balancer, rest: &str) -> String {
    let (path, form) = rest.split_once(' ').expect("order PATH FORM");
    let Some(nonce) = nonce(balancer, path, form) else { return "no nonce".to_owned() };
    let body = format!("{form}&nonce={nonce}");
    let fields = [REFERER, ("Content-Type", "application/x-www-form-urlencoded")];
    let mut client = Client::connect(balancer.address);
    match client.request("POST", path, &fields, body.as_bytes()) {
        Ok(answer) => answer.status.to_string(),
        Err(_) => "closed".to_owned(),
    }
}

fn get(balancer: &Balancer, target: &str) -> (u16, String) {
    let mut client = Client::connect(balancer.address);
    match client.request("GET", target, &[REFERER], b"") {
        Ok(answer) => (answer.status, answer.text()),
        Err(_) => (0, String::new()),
    }
}

/// The nonce on the page of the balancer that `b=` names in a form.
fn nonce(balancer: &Balancer, path: &str, form: &str) -> Option<String> {
    let name = form.split('&').find_map(|pair| pair.strip_prefix("b="))?;
    let (_, text) = get(balancer, path);
    let (_, after) = text.split_once(&format!("?b={name}&amp;nonce="))?;
    after.split('"').next().map(str::to_owned)
}

/// Headings, rows and fields, a line each.
fn shown(text: &str) -> String {
    let mut lines = String::new();
    let (mut titles, mut column) = (Vec::new(), 0);
    // Their order differs from run to run.
    let mut options: Vec<&str> = Vec::new();
    for part in text.split('<').skip(1) {
        let (tag, rest) = part.split_once('>').unwrap_or((part, ""));
        let (word, rest) = (tag.split(' ').next().unwrap_or(tag), rest.trim());
        if word != "option" {
            options.sort_unstable();
            lines.extend(options.drain(..).map(|option| format!("({option}) ")));
        }
        match word {
            "dt" if rest.starts_with("Server ") => {}
            "h1" | "h3" | "dt" => lines += &format!("\n  {rest}"),
            "a" => lines += &format!(" ({}) {rest}", tag.split("nonce=").next().unwrap_or(tag)),
            "tr" => {
                lines += "\n  ";
                column = 0;
            }
            "th" => {
                titles.truncate(column);
                titles.push(rest);
                column += 1;
                lines += &format!("| {rest} ");
            }
            "td" => {
                let size = titles.get(column).is_some_and(|title| SIZES.contains(title));
                lines += &format!("| {} ", if size { "…" } else { rest });
                column += 1;
            }
            "option" => options.push(tag),
            "input" if !tag.contains("nonce") => lines += &format!("({tag}) "),
            _ => {}
        }
    }
    lines
}
