//! Tickets, by which clients resume their sessions (RFC 8446 section 4.6.1, RFC 5077): a session
//! encrypted with a key that all cores have, and all processes that read it from one file.
//!
//! A ticket is the id of the secret (16 bytes), a salt (32), and the sealed state. The key for each
//! ticket is made of the secret and its salt, so that no key ever sees two nonces.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};
use rustls::server::ProducesTickets;

use crate::files::{self, told};

/// How long a ticket is good, in seconds.
const LIFETIME: u32 = 12 * 3600;
/// How long a secret of this process's own makes tickets, in seconds; for as long again it opens
/// them.
const TURN: u64 = 6 * 3600;
/// Secrets of a file.
const SECRETS_MAX: usize = 16;
/// The least and the most bytes of a secret.
const SECRET_BYTES: [usize; 2] = [32, 80];
const ID: usize = 16;
const SALT: usize = 32;

/// What tickets are made with.
#[derive(Clone)]
struct Secret {
    id: [u8; ID],
    key: hmac::Key,
}

impl Secret {
    fn new(bytes: &[u8]) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let mut id = [0; ID];
        id.copy_from_slice(
            &hmac::sign(&key, b"evenkeel: the id of a ticket's secret").as_ref()[..ID],
        );
        Secret { id, key }
    }

    fn random() -> Option<Secret> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        Some(Secret::new(&bytes))
    }

    /// The key for one ticket, and its nonce: there is no other with this key.
    fn ticket_key(&self, salt: &[u8]) -> Option<(LessSafeKey, Nonce)> {
        let bytes = hmac::sign(&self.key, salt);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes.as_ref()).ok()?);
        Some((key, Nonce::assume_unique_for_key([0; NONCE_LEN])))
    }
}

/// Secrets for tickets: the first makes them, all open them.
pub(crate) struct Secrets {
    secrets: ArcSwap<Vec<Secret>>,
    file: Option<PathBuf>,
}

impl Secrets {
    /// Secrets of this process's own. Without random numbers there are none, and no tickets.
    pub(crate) fn own() -> Arc<Secrets> {
        let first: Vec<Secret> = Secret::random().into_iter().collect();
        Arc::new(Secrets { secrets: ArcSwap::from_pointee(first), file: None })
    }

    /// Secrets from a file: one in a line, in hexadecimal.
    pub(crate) fn read(path: &Path) -> Result<Arc<Secrets>, String> {
        let secrets = ArcSwap::from_pointee(parse(path)?);
        Ok(Arc::new(Secrets { secrets, file: Some(path.to_owned()) }))
    }

    /// Reads the file again, and says how many secrets it has.
    pub(crate) fn read_again(&self) -> Result<usize, String> {
        let Some(path) = &self.file else { return Ok(0) };
        let read = parse(path)?;
        let count = read.len();
        self.secrets.store(Arc::new(read));
        Ok(count)
    }

    /// Makes a new secret; the one before it still opens tickets.
    pub(crate) fn turn(&self) {
        let Some(new) = Secret::random() else { return };
        let old = self.secrets.load();
        self.secrets.store(Arc::new([new].into_iter().chain(old.first().cloned()).collect()));
    }
}

/// When to make new secrets.
pub(crate) struct Turning {
    next: u64,
}

impl Turning {
    pub(crate) fn new(now: u64) -> Turning {
        Turning { next: now.saturating_add(TURN) }
    }

    /// Whether it is time. A clock that was set back counts from where it is.
    pub(crate) fn is_due(&mut self, now: u64) -> bool {
        let due = now >= self.next;
        if due || now.saturating_add(TURN) < self.next {
            self.next = now.saturating_add(TURN);
        }
        due
    }
}

fn parse(path: &Path) -> Result<Vec<Secret>, String> {
    let help = "one key in a line, the newest first: openssl rand -hex 32";
    let bytes = files::read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| told(path, "this is no text", help))?;
    let mut secrets = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let [least, most] = SECRET_BYTES;
        let bytes = hex(line).filter(|bytes| (least..=most).contains(&bytes.len()));
        let Some(bytes) = bytes else {
            let number = number + 1;
            let why = format!("line {number} is no key of {least} to {most} bytes in hexadecimal");
            return Err(told(path, &why, help));
        };
        secrets.push(Secret::new(&bytes));
    }
    match secrets.len() {
        0 => Err(told(path, "there is no key for tickets in it", help)),
        n if n > SECRETS_MAX => Err(told(path, "there are more than 16 keys in it", help)),
        _ => Ok(secrets),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

/// Makes and opens the tickets of one listener.
pub(crate) struct Ticketer {
    pub(crate) secrets: Arc<Secrets>,
    /// What a session depends on beside its name: a ticket of a listener that asks for other
    /// certificates of clients, or none, opens nothing here.
    pub(crate) bound: Vec<u8>,
}

impl std::fmt::Debug for Ticketer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticketer")
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        !self.secrets.secrets.load().is_empty()
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let secrets = self.secrets.secrets.load();
        let secret = secrets.first()?;
        let mut salt = [0; SALT];
        rand::fill(&mut salt).ok()?;
        let (key, nonce) = secret.ticket_key(&salt)?;
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(nonce, Aad::from(&self.bound), &mut sealed).ok()?;
        Some([&secret.id[..], &salt, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (id, rest) = ticket.split_at_checked(ID)?;
        let (salt, sealed) = rest.split_at_checked(SALT)?;
        let secrets = self.secrets.secrets.load();
        // Ids are no secret: they stand in the ticket.
        let secret = secrets.iter().find(|secret| secret.id == *id)?;
        let (key, nonce) = secret.ticket_key(salt)?;
        let mut opened = sealed.to_vec();
        let length = key.open_in_place(nonce, Aad::from(&self.bound), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticketer(secrets: &Arc<Secrets>, bound: &str) -> Ticketer {
        Ticketer { secrets: secrets.clone(), bound: bound.into() }
    }

    #[test]
    fn tickets_open_where_they_were_made_and_nowhere_else() {
        let secrets = Secrets::own();
        let here = ticketer(&secrets, "web");
        let ticket = here.encrypt(b"state").expect("a ticket");
        assert_eq!(here.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        assert_ne!(here.encrypt(b"state").expect("a ticket"), ticket);
        assert_eq!(ticketer(&secrets, "other").decrypt(&ticket), None);
        assert_eq!(ticketer(&Secrets::own(), "web").decrypt(&ticket), None);
        for at in 0..ticket.len() {
            assert_eq!(here.decrypt(&ticket[..at]), None);
            let mut other = ticket.clone();
            other[at] ^= 1;
            assert_eq!(here.decrypt(&other), None);
        }
    }

    #[test]
    fn the_secret_before_the_last_opens_nothing() {
        let secrets = Secrets::own();
        let here = ticketer(&secrets, "web");
        let ticket = here.encrypt(b"state").expect("a ticket");
        secrets.turn();
        assert!(here.decrypt(&ticket).is_some());
        secrets.turn();
        assert!(here.decrypt(&ticket).is_none());
    }

    #[test]
    fn turns_come_every_six_hours_whatever_the_clock_does() {
        let mut turning = Turning::new(1_000_000);
        assert!(!turning.is_due(1_000_000 + TURN - 1));
        assert!(turning.is_due(1_000_000 + TURN));
        assert!(!turning.is_due(1_000_000 + TURN + 1));
        assert!(!turning.is_due(5));
        assert!(turning.is_due(5 + TURN));
    }

    #[test]
    fn files_of_secrets_are_read_strictly() {
        let folder = std::env::temp_dir().join(format!("evenkeel-tickets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("tickets.key");
        let (new, old) = ("ab".repeat(32), "CD".repeat(48));
        for (text, count) in [
            (format!("# newest first\n{new}\n\n {old} \n"), Ok(2)),
            (String::new(), Err("no key for tickets")),
            (format!("{new}\nnonsense\n"), Err("line 2 is no key")),
            ("ab".repeat(31), Err("line 1 is no key")),
            (format!("{new}a"), Err("line 1 is no key")),
            (format!("{new}\n").repeat(17), Err("more than 16")),
        ] {
            std::fs::write(&path, &text).expect("a file");
            match (Secrets::read(&path), count) {
                (Ok(secrets), Ok(count)) => assert_eq!(secrets.secrets.load().len(), count),
                (Err(told), Err(words)) => assert!(told.contains(words), "{told}"),
                (read, _) => panic!("{text}: {:?}", read.err()),
            }
        }
        // Whoever has the same file opens the tickets of others.
        std::fs::write(&path, format!("{old}\n{new}")).expect("a file");
        let ticket = ticketer(&Secrets::read(&path).expect("secrets"), "web").encrypt(b"state");
        std::fs::write(&path, format!("{new}\n{old}")).expect("a file");
        let other = Secrets::read(&path).expect("secrets");
        let ticket = ticket.expect("a ticket");
        assert!(ticketer(&other, "web").decrypt(&ticket).is_some());
        std::fs::write(&path, &new).expect("a file");
        assert_eq!(other.read_again(), Ok(1));
        assert!(ticketer(&other, "web").decrypt(&ticket).is_none());
        std::fs::remove_dir_all(&folder).expect("it goes");
    }
}
