//! The account at an authority: made with the first order, kept in a file, used ever after.

use std::fs;
use std::path::PathBuf;

use evenkeel_plan::Acme;
use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::folder;

fn file(acme: &Acme) -> PathBuf {
    acme.home().join("account.json")
}

fn client(acme: &Acme) -> Result<Box<Client>, Failure> {
    Client::new(acme.ca.as_deref()).map(Box::new).map_err(Failure::new)
}

/// The account that is kept, if there is one.
pub(crate) async fn kept(acme: &Acme) -> Result<Option<Account>, Failure> {
    let path = file(acme);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(Failure::new(format!("{}: {why}", path.display()))),
    };
    let unread = |why: serde_json::Error| {
        let help = "move it away, and a new account is made";
        Failure::new(format!("{}: {why}\n  help: {help}", path.display()))
    };
    let mut whole: Value = serde_json::from_slice(&bytes).map_err(unread)?;
    let contact = whole.get("contact") == Some(&json!(acme.contact));
    let credentials = whole.get_mut("credentials").map(Value::take).unwrap_or_default();
    let credentials: AccountCredentials =
        serde_json::from_value(credentials.clone()).map_err(unread)?;
    let account = Account::builder_with_http(client(acme)?)
        .from_credentials(credentials)
        .await
        .map_err(|why| Failure::of("the authority's directory", &why))?;
    if !contact {
        let urls: Vec<&str> = acme.contact.iter().map(String::as_str).collect();
        let told = account.update_contacts(&urls).await;
        told.map_err(|why| Failure::of("changing the account's contact", &why))?;
        let mut whole: Value = serde_json::from_slice(&bytes).map_err(unread)?;
        whole["contact"] = json!(acme.contact);
        write(acme, &whole)?;
    }
    Ok(Some(account))
}

/// Makes an account and keeps it.
pub(crate) async fn make(acme: &Acme) -> Result<Account, Failure> {
    let external = acme
        .external
        .as_ref()
        .map(|external| ExternalAccountKey::new(external.key_id.clone(), &external.hmac_key));
    let contact: Vec<&str> = acme.contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = Account::builder_with_http(client(acme)?)
        .create(&new, acme.directory.clone(), external.as_ref())
        .await
        .map_err(|why| Failure::of("making an account", &why))?;
    write(acme, &json!({ "contact": acme.contact, "credentials": credentials }))?;
    Ok(account)
}

/// The authority knows it no longer.
pub(crate) fn forget(acme: &Acme) {
    let path = file(acme);
    // Kept for whoever wants to know; the next one of that kind takes its place.
    let _ = folder::rename(&path, &folder::beside(&path, "unknown"));
}

fn write(acme: &Acme, whole: &Value) -> Result<(), Failure> {
    let path = file(acme);
    let text = format!("{whole:#}\n");
    folder::write(&path, text.as_bytes())
        .map_err(|why| Failure::new(format!("{}: {why}", path.display())))
}
