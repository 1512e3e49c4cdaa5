//! Certificates that come by themselves, from Pebble.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::pebble::Pebble;
use super::*;

/// An order takes a second or two, and what came is seen some seconds later.
const ORDERED: Duration = Duration::from_secs(60);

/// A listener `web` with TLS where Pebble looks, and `plain` without; what stands in `certificates`
/// between the brackets.
fn site(pebble: &Pebble, acme: &str, certificates: &str, origin: &Origin) -> String {
    format!(
        "[admin]\nbind = \"127.0.0.1:0\"\n{acme}\n\
         [[listener]]\nname = \"plain\"\nbind = \"{}\"\nredirect_https = true\npool = \"app\"\n\
         [[listener]]\nname = \"web\"\nbind = \"{}\"\npool = \"app\"\n\
         [listener.tls]\ncertificates = [{certificates}]\n\
         [[pool]]\nname = \"app\"\nmembers = [\"{}\"]\n",
        pebble.http,
        pebble.tls,
        origin.member()
    )
}

fn orders(server: &Server) -> String {
    let mut client = Client::connect(server.addr("admin"));
    client.send("GET /api/v1/acme HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it takes it");
    client.answer().expect("orders").text()
}

/// The files of certificates that are kept.
fn kept(pebble: &Pebble) -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(pebble.folder()).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
    let paths = files.flatten().map(|file| file.path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "pem")).collect()
}

#[test]
fn names_are_proved_by_a_handshake_a_request_and_a_record() {
    let Some(pebble) = Pebble::start(3600, "") else { return };
    let origin = Origin::named("a");
    let hook = pebble.hook();
    let acme = pebble.table("contact = \"ops@example.com\"")
        + &pebble.table("name = \"by-request\"\nchallenge = \"http-01\"\nkey = \"rsa-2048\"")
        + &pebble.table(&format!(
            "name = \"by-record\"\nchallenge = \"dns-01\"\n\
             dns = {{ command = \"{}\", wait = \"0\" }}",
            hook.display()
        ));
    let certificates = "{ domains = [\"one.test\", \"two.test\"] }, \
                        { domains = \"three.test\", acme = \"by-request\" }, \
                        { domains = [\"four.test\", \"*.four.test\"], acme = \"by-record\" }";
    let config = site(&pebble, &acme, certificates, &origin);
    let checked = Program::evenkeel().check(&config);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let server = Server::start(&config);
    let root = pebble.root();
    for name in ["one.test", "two.test", "three.test", "four.test", "a.four.test"] {
        let served = || curl(&server, name, &root, &[]).is_ok_and(|got| got == "a 200 0");
        assert!(wait_until(ORDERED, served), "{name}: {}", server.stderr());
    }
    // What is kept is for its owner alone.
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&pebble.folder()), 0o700);
    let files = kept(&pebble);
    assert_eq!(files.len(), 3);
    files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{}", file.display()));
    // Nothing is shown any longer, and the records are gone.
    let asked = fs::read_to_string(pebble.path("hook.log")).expect("it was called");
    for action in ["present", "cleanup"] {
        let line = format!("{action} _acme-challenge.four.test. four.test");
        assert_eq!(asked.lines().filter(|told| **told == line).count(), 2, "{asked}");
    }
    let mut client = Client::connect(server.addr("plain"));
    assert_eq!(client.get("/.well-known/acme-challenge/other").expect("an answer").text(), "a");
    let handshake = s_client(&server, "one.test", &["-alpn", "acme-tls/1"]);
    assert!(handshake.contains("alert no application protocol"), "{handshake}");
    // It is told.
    let told = orders(&server);
    assert_eq!(told.matches("\"failures\":0").count(), 3, "{told}");
    assert!(told.contains("\"domains\":[\"four.test\",\"*.four.test\"]"), "{told}");
    let counted = metrics(&server);
    let total = "evenkeel_acme_orders_total{authority=\"by-record\",result=\"ok\"} 1";
    assert!(counted.contains(total), "{counted}");
    assert!(counted.contains("cause=\"tls-proof\""), "{counted}");
    assert!(server.stderr().contains("authority default gave a certificate for one.test"));
}

#[test]
fn certificates_are_renewed_also_by_an_authority_that_forgot_us() {
    let Some(mut pebble) = Pebble::start(21, "") else { return };
    let origin = Origin::named("a");
    let config = site(&pebble, &pebble.table(""), "{ domains = \"one.test\" }", &origin);
    let server = Server::start(&config);
    let root = pebble.root();
    let served = |root: &Path| curl(&server, "one.test", root, &[]).is_ok();
    assert!(wait_until(ORDERED, || served(&root)), "{}", server.stderr());
    let first = fs::read(&kept(&pebble)[0]).expect("a file");
    // Its memory is gone, and with it our account.
    pebble.start_again();
    let root = pebble.root();
    assert!(!served(&root), "it has a new root");
    assert!(wait_until(ORDERED, || served(&root)), "{}", server.stderr());
    let second = fs::read(&kept(&pebble)[0]).expect("a file");
    let key = |file: &[u8]| String::from_utf8_lossy(file).lines().take(4).collect::<String>();
    assert_ne!(key(&first), key(&second), "each certificate has a key of its own");
    let account = kept(&pebble)[0].with_file_name("account.json.unknown");
    assert!(account.exists());
    // Without a reload.
    assert!(metrics(&server).contains("evenkeel_config_generation 1"));
}

#[test]
fn what_is_kept_is_served_at_once_after_a_restart_and_not_ordered_anew() {
    let Some(mut pebble) = Pebble::start(3600, "") else { return };
    let origin = Origin::named("a");
    let config = site(&pebble, &pebble.table(""), "{ domains = \"one.test\" }", &origin);
    let root = pebble.root();
    let server = Server::start(&config);
    let served = |server: &Server| curl(server, "one.test", &root, &[]).is_ok();
    assert!(wait_until(ORDERED, || served(&server)), "{}", server.stderr());
    // A reload orders nothing either, and goes on by what is there.
    server.signal(Signal::HUP);
    assert!(wait_until(LONG, || server.stderr().contains("nothing changed")));
    assert!(served(&server));
    drop(server);
    pebble.stop();
    let server = Server::start(&config);
    assert!(served(&server), "{}", server.stderr());
    let told = orders(&server);
    assert!(told.contains("\"failures\":0") && !told.contains("\"until_unix\":null"), "{told}");
    assert!(!metrics(&server).contains("evenkeel_acme_orders_total{"));
}

#[test]
fn an_authority_that_is_down_keeps_nothing_else_from_being_served() {
    let Some(mut pebble) = Pebble::start(3600, "") else { return };
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let own = certificates.make("own", "DNS:own.test", false);
    let listed = format!("{{ domains = \"one.test\" }}, {}", listed(std::slice::from_ref(&own)));
    let config = site(&pebble, &pebble.table(""), &listed, &origin);
    pebble.stop();
    let server = Server::start(&config);
    assert_eq!(curl(&server, "own.test", &own.0, &[]).as_deref(), Ok("a 200 0"));
    let refused = curl(&server, "one.test", &own.0, &["-k"]).expect_err("nothing to show");
    assert!(refused.contains("alert access denied"), "{refused}");
    // Who asks for another name gets what there is, as ever.
    assert!(curl(&server, "other.test", &own.0, &["-k"]).is_ok());
    assert!(metrics(&server).contains("cause=\"tls-not-issued\"} 1"));
    let failed = "no certificate for one.test from authority default: making an account";
    assert!(wait_until(LONG, || server.stderr().contains(failed)), "{}", server.stderr());
    assert!(server.stderr().contains("Connection refused"), "{}", server.stderr());
    let told = orders(&server);
    assert!(told.contains("\"failures\":1") && told.contains("Connection refused"), "{told}");
    let total = "evenkeel_acme_orders_total{authority=\"default\",result=\"failed\"} 1";
    assert!(metrics(&server).contains(total));
    // Whoever starts it again does not make it ask again at once.
    drop(server);
    let server = Server::start(&config);
    assert!(wait_until(LONG, || orders(&server).contains("\"failures\":1")));
    assert!(!metrics(&server).contains("evenkeel_acme_orders_total{"));
}

#[test]
fn a_proof_that_is_not_found_is_told_with_what_the_authority_saw() {
    let Some(pebble) = Pebble::start(3600, "") else { return };
    let origin = Origin::named("a");
    let acme = pebble.table("challenge = \"dns-01\"\ndns = { command = \"true\", wait = \"0\" }");
    let config = site(&pebble, &acme, "{ domains = \"one.test\" }", &origin);
    let server = Server::start(&config);
    let told = || server.stderr().contains("the proof of names: one.test: unauthorized: ");
    assert!(wait_until(ORDERED, told), "{}", server.stderr());
    // A hook that fails is told with its own words.
    let acme = pebble.table(
        "challenge = \"dns-01\"\n\
         dns = { command = [\"sh\", \"-c\", \"echo no such zone >&2; exit 3\"] }",
    );
    let config = site(&pebble, &acme, "{ domains = \"two.test\" }", &origin);
    fs::write(server.folder().join("evenkeel.toml"), config).expect("a file");
    server.signal(Signal::HUP);
    let told = || server.stderr().contains("exit status: 3: no such zone");
    assert!(wait_until(ORDERED, told), "{}", server.stderr());
}

/// This Pebble knows no ARI (RFC 9773): a directory that does stands in front of it.
#[test]
fn certificates_are_renewed_when_the_authority_says_so() {
    let Some(pebble) = Pebble::start(86_400, "") else { return };
    let origin = Origin::named("a");
    let address = quiet_address();
    let ask = format!("{{\"renewalInfo\": \"https://localhost:{}/ari\",", address.port());
    let directory = pebble.directory().replacen('{', &ask, 1);
    let front = |start: &str, end: &str| {
        let files = listed(std::slice::from_ref(pebble.own()));
        let window = format!("{{\"suggestedWindow\":{{\"start\":\"{start}\",\"end\":\"{end}\"}}}}");
        let route = |path: &str, body: &str| {
            format!(
                "[[route]]\npath = \"{path}\"\nrespond = {{ status = 200, content_type = \
                 \"application/json\", body = '''{body}''' }}\n\
                 response_headers = {{ set = {{ retry-after = \"7200\" }} }}\n"
            )
        };
        Server::start(&format!(
            "[[listener]]\nbind = \"{address}\"\nname = \"web\"\n\
             [listener.tls]\ncertificates = [{files}]\n{}{}",
            route("/dir", &directory),
            route("/ari/*", &window)
        ))
    };
    let acme = pebble.table("").replace(
        &format!("https://localhost:{}/dir", pebble.api_port()),
        &format!("https://localhost:{}/dir", address.port()),
    );
    let config = site(&pebble, &acme, "{ domains = \"one.test\" }", &origin);
    let root = pebble.root();
    let given = |server: &Server| server.stderr().contains("gave a certificate for one.test");
    let late = front("2090-01-01T00:00:00Z", "2090-01-02T00:00:00Z");
    let server = Server::start(&config);
    assert!(wait_until(ORDERED, || given(&server)), "{}", server.stderr());
    drop(server);
    // Not before it is time by our own rule, as the authority would have it too late.
    let server = Server::start(&config);
    assert!(wait_until(LONG, || curl(&server, "one.test", &root, &[]).is_ok()));
    let told = wait_for(LONG, || {
        let told = orders(&server);
        let next = told.split("\"next_unix\":").nth(1)?.split(',').next()?.parse::<u64>().ok()?;
        let until = told.split("\"until_unix\":").nth(1)?.split(',').next()?.parse().ok()?;
        (next > until - 86_400 + 3600).then_some((next, until))
    });
    let (next, until): (u64, u64) = told.expect("it asked");
    assert!(next <= until - 86_400 + 7300, "it asks again when it was told to");
    assert!(!given(&server));
    drop((server, late));
    let _early = front("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z");
    let server = Server::start(&config);
    assert!(wait_until(ORDERED, || given(&server)), "{}", server.stderr());
    assert!(curl(&server, "one.test", &root, &[]).is_ok());
}

#[test]
fn an_account_elsewhere_is_bound_to_ours() {
    let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldCE";
    let more = format!(
        ", \"externalAccountBindingRequired\": true, \"externalAccountMACKeys\": {{\"me\": \
         \"{secret}\"}}"
    );
    let Some(pebble) = Pebble::start(3600, &more) else { return };
    let origin = Origin::named("a");
    let acme = pebble.table(&format!("eab = {{ key_id = \"me\", hmac_key = \"{secret}\" }}"));
    let config = site(&pebble, &acme, "{ domains = \"one.test\" }", &origin);
    let server = Server::start(&config);
    let root = pebble.root();
    let served = || curl(&server, "one.test", &root, &[]).is_ok();
    assert!(wait_until(ORDERED, served), "{}", server.stderr());
}

#[test]
fn folders_of_keys_that_others_can_use_are_refused() {
    let folder = tempfile::TempDir::new().expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o750)).expect("it is ours");
    let text = |hook: &str| {
        format!(
            "[[acme]]\nfolder = \"{}\"\nchallenge = \"dns-01\"\ndns = {{ command = \"{hook}\" }}\n\
             [[listener]]\nbind = \"127.0.0.1:0\"\npool = \"app\"\n\
             tls = {{ certificates = [{{ domains = \"one.test\" }}] }}\n\
             [[pool]]\nname = \"app\"\nmembers = [\"127.0.0.1:9\"]\n",
            folder.path().display()
        )
    };
    let checked = Program::evenkeel().check(&text("./missing"));
    assert_eq!(checked.code, Some(2));
    for words in ["mode 0750", "chmod 700", "missing cannot be run"] {
        assert!(checked.stderr.contains(words), "{}", checked.stderr);
    }
    let file = folder.path().join("evenkeel.toml");
    fs::write(&file, text("true")).expect("a file");
    let run = Program::evenkeel().run(&["run", "-c", &file.display().to_string()]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("chmod 700"), "{}", run.stderr);
}
