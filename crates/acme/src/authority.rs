//! One authority: the walk of an order, from names to a certificate in its file.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_net::clock;
use evenkeel_plan::{Acme, CertificateFiles, Challenge, KeyKind, Ordered};
use evenkeel_tls::{Issued, Proofs};
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, Error, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, RsaKeySize};
use tokio::task;

use crate::failure::{self, Failure};
use crate::proof::{self, Shown};
use crate::{account, folder};

/// How long an order may take as a whole.
const ORDER_MAX: Duration = Duration::from_secs(3600);
/// How long an authority may take to look at proofs, and to sign.
const LOOKING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(300));
/// How often the time of renewal is asked for, at most and at least (RFC 9773 section 4.3.2).
const ASKED: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(86_400));

/// Orders certificates from one authority, one at a time.
pub struct Authority {
    plan: Acme,
    proofs: Arc<Proofs>,
    account: Option<Account>,
}

/// When the authority wants a certificate to be renewed, in Unix seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// From then on.
    pub start: u64,
    /// Until then.
    pub end: u64,
    /// After that time, it is to be asked again.
    pub again: Duration,
}

impl Authority {
    /// Proofs are shown there.
    pub fn new(plan: Acme, proofs: Arc<Proofs>) -> Authority {
        Authority { plan, proofs, account: None }
    }

    /// Orders a certificate and puts it into its file. `old` is the one that it replaces.
    ///
    /// # Errors
    /// Why there is none; the file is as before.
    pub async fn order(
        &mut self,
        files: &CertificateFiles,
        old: Option<&Issued>,
    ) -> Result<Done, Failure> {
        let Some(ordered) = &files.ordered else {
            return Err(Failure::new("this certificate is not ordered"));
        };
        let late = || Err(Failure::new("the order was not done within an hour"));
        let walk = self.walk(files, ordered, old);
        clock::within(ORDER_MAX, walk).await.unwrap_or_else(late)
    }

    /// When to renew, if the authority says so (ARI, RFC 9773) and there is an account.
    ///
    /// # Errors
    /// It could not be asked.
    pub async fn window(&mut self, issued: &Issued) -> Result<Option<Window>, Failure> {
        let Some(id) = identifier(issued) else { return Ok(None) };
        if self.account.is_none() {
            self.account = account::kept(&self.plan).await?;
        }
        let Some(account) = &self.account else { return Ok(None) };
        match account.renewal_info(&id).await {
            Ok((info, again)) => {
                let window = info.suggested_window;
                let unix = |time: i64| u64::try_from(time).unwrap_or(0);
                let start = unix(window.start.unix_timestamp());
                let end = unix(window.end.unix_timestamp());
                let again = again.clamp(ASKED.0, ASKED.1);
                Ok(Some(Window { start, end, again }))
            }
            Err(Error::Unsupported(_)) => Ok(None),
            Err(why) => Err(Failure::of("asking when to renew", &why)),
        }
    }

    async fn account(&mut self) -> Result<Account, Failure> {
        if self.account.is_none() {
            self.account = match account::kept(&self.plan).await? {
                Some(account) => Some(account),
                None => Some(account::make(&self.plan).await?),
            };
        }
        self.account.clone().ok_or_else(|| Failure::new("no account"))
    }

    async fn walk(
        &mut self,
        files: &CertificateFiles,
        ordered: &Ordered,
        old: Option<&Issued>,
    ) -> Result<Done, Failure> {
        let mut order = self.begin(ordered, old).await?;
        let mut shown = Vec::new();
        let proved = self.prove(&mut order, &mut shown).await;
        // Whatever came of it, nothing is shown any longer.
        let left = proof::clean(self.plan.dns.as_ref(), shown).await;
        proved?;
        let issued = self.finish(&mut order, files, ordered).await?;
        Ok(Done { issued, left })
    }

    /// Says for which names a certificate is wanted.
    async fn begin(&mut self, ordered: &Ordered, old: Option<&Issued>) -> Result<Order, Failure> {
        let names: Vec<Identifier> = ordered.domains.iter().map(|name| asked(name)).collect();
        let mut old = old.and_then(identifier);
        let mut forgotten = false;
        loop {
            let account = self.account().await?;
            let mut new = NewOrder::new(&names);
            if let Some(profile) = &self.plan.profile {
                new = new.profile(profile);
            }
            if let Some(old) = &old {
                new = new.replaces(old.clone());
            }
            match account.new_order(&new).await {
                Ok(order) => return Ok(order),
                // To say what it replaces is a courtesy, which not every authority takes.
                Err(why) if old.is_some() && !is_final(&why) => old = None,
                // An authority that lost its memory; once is enough to try.
                Err(why) if !forgotten && failure::is(&why, "accountDoesNotExist") => {
                    forgotten = true;
                    account::forget(&self.plan);
                    self.account = None;
                }
                Err(why) => return Err(Failure::of("the order", &why)),
            }
        }
    }

    /// Proves each name that the authority does not believe yet.
    async fn prove(&self, order: &mut Order, shown: &mut Vec<Shown>) -> Result<(), Failure> {
        let plan = &self.plan;
        let kind = proof::kind(plan.challenge);
        let failed = |why: &Error| Failure::of("the proof of names", why);
        let mut open = order.authorizations();
        while let Some(authorization) = open.next().await {
            let mut authorization = authorization.map_err(|why| failed(&why))?;
            match authorization.status {
                AuthorizationStatus::Pending => {}
                AuthorizationStatus::Valid => continue,
                status => {
                    let name = authorization.identifier().to_string();
                    return Err(Failure::new(format!("the proof of {name} is {status:?}")));
                }
            }
            let name = authorization.identifier().to_string();
            let offered: Vec<String> =
                authorization.challenges.iter().map(|one| format!("{:?}", one.r#type)).collect();
            let Some(challenge) = authorization.challenge(kind.clone()) else {
                let why = format!(
                    "the authority takes no {} for {name}, but {}",
                    plan.challenge.name(),
                    offered.join(", ")
                );
                return Err(Failure::new(why));
            };
            let proofs = &self.proofs;
            shown.push(proof::show(plan.challenge, plan.dns.as_ref(), &challenge, proofs).await?);
        }
        if let (Challenge::Dns01, Some(dns), false) = (plan.challenge, &plan.dns, shown.is_empty())
        {
            clock::sleep(dns.wait).await;
        }
        let mut open = order.authorizations();
        while let Some(authorization) = open.next().await {
            let mut authorization = authorization.map_err(|why| failed(&why))?;
            if authorization.status == AuthorizationStatus::Pending
                && let Some(mut challenge) = authorization.challenge(kind.clone())
            {
                challenge.set_ready().await.map_err(|why| failed(&why))?;
            }
        }
        match order.poll_ready(&LOOKING).await {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(_) => Err(refused(order, None).await),
            Err(Error::Api(problem)) => Err(refused(order, Some(&Error::Api(problem))).await),
            Err(why) => Err(failed(&why)),
        }
    }

    /// Has the key signed and puts both into the file.
    async fn finish(
        &self,
        order: &mut Order,
        files: &CertificateFiles,
        ordered: &Ordered,
    ) -> Result<Issued, Failure> {
        let (kind, names) = (self.plan.key, ordered.domains.clone());
        // A large key takes seconds to find.
        let made = task::spawn_blocking(move || request(kind, names)).await;
        let (key, request) = made
            .map_err(|why| Failure::new(format!("no key was made: {why}")))?
            .map_err(|why| Failure::new(format!("no key was made: {why}")))?;
        let failed = |why: &Error| Failure::of("the certificate", why);
        order.finalize_csr(&request).await.map_err(|why| failed(&why))?;
        let chain = order.poll_certificate(&LOOKING).await.map_err(|why| failed(&why))?;
        let (files, names) = (files.clone(), ordered.domains.clone());
        let kept = task::spawn_blocking(move || keep(&files, &names, &format!("{key}{chain}")));
        kept.await.unwrap_or_else(|why| Err(why.to_string())).map_err(Failure::new)
    }
}

/// A certificate that was given out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// As it is in its file.
    pub issued: Issued,
    /// A record that is still in DNS, and why.
    pub left: Option<String>,
}

/// Whether asking in another way would come to the same.
fn is_final(why: &Error) -> bool {
    let kinds = ["rateLimited", "accountDoesNotExist", "unauthorized", "rejectedIdentifier"];
    kinds.iter().any(|kind| failure::is(why, kind))
}

fn asked(name: &str) -> Identifier {
    match name.parse() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns(name.to_owned()),
    }
}

/// What an authority knows a certificate by (RFC 9773 section 4.1).
fn identifier(issued: &Issued) -> Option<CertificateIdentifier<'static>> {
    let signer = issued.signer.as_ref()?;
    let id = CertificateIdentifier::new(signer.as_slice().into(), issued.serial.as_slice().into());
    Some(id.into_owned())
}

/// Why an order went wrong: what the authority saw when it looked at each name.
async fn refused(order: &mut Order, why: Option<&Error>) -> Failure {
    let mut told = Vec::new();
    let mut open = order.authorizations();
    while let Some(Ok(mut authorization)) = open.next().await {
        let name = authorization.identifier().to_string();
        if authorization.refresh().await.is_err() {
            continue;
        }
        let errors = authorization.challenges.iter().filter_map(|one| one.error.as_ref());
        told.extend(errors.map(|problem| format!("{name}: {}", failure::told(problem))));
    }
    match (told.is_empty(), why) {
        (false, _) => Failure::new(format!("the proof of names: {}", told.join("; "))),
        (true, Some(why)) => Failure::of("the proof of names", why),
        (true, None) => Failure::new("the authority did not take the proof, and says no more"),
    }
}

/// A new key in PEM, and a request to sign it in DER (PKCS #10).
fn request(kind: KeyKind, names: Vec<String>) -> Result<(String, Vec<u8>), rcgen::Error> {
    let key = match kind {
        KeyKind::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
    }?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    Ok((key.serialize_pem(), request.der().to_vec()))
}

/// Puts key and chain into the file, once they are what was ordered.
fn keep(files: &CertificateFiles, names: &[String], text: &str) -> Result<Issued, String> {
    let new = folder::beside(&files.cert, "coming");
    let at = |why: std::io::Error| format!("{}: {why}", new.display());
    folder::write(&new, text.as_bytes()).map_err(at)?;
    let coming = CertificateFiles { cert: new.clone(), key: new.clone(), ..files.clone() };
    let now = clock::wall().as_secs();
    let read = Issued::read(&coming, now).and_then(|issued| {
        let missing = names.iter().find(|name| !issued.names.contains(name));
        match missing {
            Some(name) => Err(format!("the authority gave a certificate without {name}")),
            None if issued.until < now => Err("the authority gave one that has ended".to_owned()),
            None => Ok(issued),
        }
    });
    match read {
        Ok(issued) => {
            folder::rename(&new, &files.cert).map_err(at)?;
            Ok(issued)
        }
        Err(why) => {
            // A key that nothing belongs to.
            let _ = fs::remove_file(&new);
            Err(why)
        }
    }
}
