use super::*;
use crate::view::Sticky;

fn view() -> View {
    let member = MemberView {
        url: "http://a:1".to_owned(),
        scheme: "http".to_owned(),
        host: "a".to_owned(),
        route: "<r>".to_owned(),
        factor: 250,
        set: 1,
        usable: true,
        elected: 7,
        busy: 2,
        to: 5 << 10,
        from: 3 << 20,
        ..MemberView::default()
    };
    let balancer = BalancerView {
        name: "one".to_owned(),
        sticky: Some(Sticky { cookie: "<A>".to_owned(), parameter: "b".to_owned() }),
        timeout_s: 3,
        method: "byrequests".to_owned(),
        members: vec![member],
        ..BalancerView::default()
    };
    let totals = Totals {
        now: 1_795_478_601,
        started: 1_795_478_583,
        generation: 1,
        load: Some([0.24, 0.27, 0.67]),
        accesses: 3,
        bytes: 14 << 10,
        busy: 1,
        idle: 74,
        ..Totals::default()
    };
    View {
        server: "lb.test".to_owned(),
        version: "Apache/2.4.71 (Debian)".to_owned(),
        built: "2026-11-12T08:58:41".to_owned(),
        balancers: vec![balancer],
        totals: Some(totals),
        ..View::default()
    }
}

#[test]
fn the_lines_are_those_that_scripts_know() {
    let page = status_page(&view(), true);
    assert_eq!(page.content_type, "text/plain; charset=ISO-8859-1");
    let expected = "lb.test
ServerVersion: Apache/2.4.71 (Debian)
Server Built: 2026-11-12T08:58:41
CurrentTime: Tuesday, 24-Nov-2026 00:03:21 UTC
RestartTime: Tuesday, 24-Nov-2026 00:03:03 UTC
ParentServerConfigGeneration: 1
ServerUptimeSeconds: 18
ServerUptime: 18 seconds
Load1: 0.24
Load5: 0.27
Load15: 0.67
Total Accesses: 3
Total kBytes: 14
Total Duration: 0
Uptime: 18
ReqPerSec: .166667
BytesPerSec: 796.444
BytesPerReq: 4778.67
DurationPerReq: 0
BusyWorkers: 1
GracefulWorkers: 0
IdleWorkers: 74
ConnsTotal: 0
ProxyBalancer[0]Name: balancer://one
ProxyBalancer[0]Worker[0]Name: http://a:1
ProxyBalancer[0]Worker[0]Status: Ok \nProxyBalancer[0]Worker[0]Elected: 7
ProxyBalancer[0]Worker[0]Busy: 2
ProxyBalancer[0]Worker[0]Sent: 5K
ProxyBalancer[0]Worker[0]Rcvd: 3072K
";
    assert_eq!(page.body, expected);
}

#[test]
fn the_page_says_the_same_in_html() {
    let page = status_page(&view(), false);
    assert_eq!(page.content_type, "text/html; charset=ISO-8859-1");
    let parts = [
        "<h1>Apache Server Status for lb.test</h1>",
        "<dt>Server uptime:  18 seconds</dt>",
        "<dt>Total accesses: 3 - Total Traffic: 14 kB - Total Duration: 0</dt>",
        "<dt>.167 requests/sec - 796 B/second - 4778 B/request - 0 ms/request</dt>",
        "1 requests currently being processed",
        "<td>&lt;A&gt; | b</td><td>3</td><td>byrequests</td>",
        "<td>http</td><td>a</td><td>Ok </td><td>&lt;r&gt;</td><td></td><td>2.50</td><td>1</td>\
         <td>7</td><td>2</td><td>5.0K</td><td>3.0M</td>",
    ];
    for part in parts {
        assert!(page.body.contains(part), "{part}\n{}", page.body);
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut view = view();
    view.totals = None;
    let page = status_page(&view, true);
    assert!(!page.body.contains("Total") && page.body.contains("ProxyBalancer[0]Name"));
    assert!(!status_page(&view, false).body.contains("Total accesses"));
    view.totals = Some(Totals::default());
    let page = status_page(&view, true);
    assert!(page.body.contains("Uptime: 0\nBusyWorkers: 0"), "{}", page.body);
    assert!(status_page(&view, false).body.contains("<dt></dt>"));
    assert!(!status_page(&View::default(), false).body.contains("Sticky session name"));
}

#[test]
fn a_text_cannot_make_a_line_of_its_own() {
    let mut view = view();
    view.server = "x\nTotal Accesses: 9".to_owned();
    view.balancers[0].members[0].url = "http://a\r\nb".to_owned();
    let body = status_page(&view, true).body;
    assert!(body.starts_with("x?Total Accesses: 9\n"));
    assert!(body.contains("Name: http://a??b\n"));
}
