//! Whose certificates clients may show.

use std::sync::Arc;

use evenkeel_plan::ClientCertificates;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::files::{self, told};

/// What the certificates of clients are measured by.
pub(crate) fn verifier(plan: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let roots = files::roots(&plan.ca)?;
    let mut lists = Vec::new();
    for path in &plan.crl {
        lists.extend(files::revoked(path)?);
    }
    let mut builder = WebPkiClientVerifier::builder(Arc::new(roots));
    if !lists.is_empty() {
        // Who signed nothing that can be looked up has revoked nothing.
        builder = builder.with_crls(lists).allow_unknown_revocation_status();
    }
    if !plan.required {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|why| {
        let path = plan.crl.first().unwrap_or(&plan.ca);
        told(path, &why.to_string(), "it takes authorities, and lists that they signed")
    })
}
