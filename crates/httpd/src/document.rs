//! `ErrorDocument` with a path: the request begins anew, as one for the document.

use crate::passage::{Passage, Verdict};
use crate::path;
use crate::site::Document;

/// What a request was before it became one for a document.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Before {
    passage: Passage,
    status: u16,
}

impl Passage {
    /// Turns to the document for that status; false when there is none that a member serves, or
    /// this is a document already. Then [`Passage::give_up_document`].
    pub fn turn_to_document(&mut self, status: u16) -> bool {
        if self.before.is_some() {
            return false;
        }
        let found = self.place.documents.iter().find(|(code, _)| *code == status);
        let Some((_, Document::Path(document))) = found else { return false };
        let (raw, query) = match document.split_once('?') {
            Some((raw, query)) => (raw.as_bytes().to_vec(), Some(query.as_bytes().to_vec())),
            None => (document.as_bytes().to_vec(), None),
        };
        let sites = self.sites.clone();
        let site = &sites.sites[self.site];
        let Ok(path) = path::decoded(&raw, site.slashes, !site.keep_slashes) else { return false };
        let before = Box::new(Before { passage: self.clone(), status });
        self.redirected_environment(status);
        if self.facts.method != b"HEAD" {
            self.facts.method = b"GET".to_vec();
        }
        let of_body = [&b"expect"[..], b"content-type", b"content-encoding"];
        self.facts.fields.retain(|(name, _)| !of_body.iter().any(|n| name.eq_ignore_ascii_case(n)));
        (self.facts.raw_path, self.facts.path, self.facts.query) = (raw, path, query);
        self.place = (*site.everywhere).clone();
        self.before = Some(before);
        self.verdict = self.decide(site);
        matches!(self.verdict, Verdict::Proxy(_))
    }

    /// Back to the request as it was, with a plain answer of its own; false when it was none for a
    /// document.
    pub fn give_up_document(&mut self) -> bool {
        let Some(before) = self.before.take() else { return false };
        let Before { passage, status } = *before;
        *self = passage;
        self.place.documents.retain(|(code, _)| *code != status);
        self.verdict = Verdict::Own(status, None);
        true
    }

    /// The request as it came.
    pub(crate) fn first(&self) -> &Passage {
        self.before.as_ref().map_or(self, |before| &before.passage)
    }

    /// The status that the request came to before it became one for a document.
    pub(crate) fn failed(&self) -> Option<u16> {
        self.before.as_ref().map(|before| before.status)
    }

    /// The status of an answer: a document of members keeps the one it is for where errors of
    /// members are overridden.
    pub fn status(&self, status: u16) -> u16 {
        let overrides = matches!(self.place.error_override, Some((true, _)));
        match &self.before {
            Some(before) if overrides => before.status,
            _ => status,
        }
    }

    /// Variables of the request that failed have `REDIRECT_` before their names.
    fn redirected_environment(&mut self, status: u16) {
        let env = std::mem::take(&mut self.env);
        for (name, value) in env.iter() {
            self.env.set(&format!("REDIRECT_{name}"), value);
        }
        self.env.set("REDIRECT_STATUS", status.to_string());
        self.env.set("REDIRECT_REQUEST_METHOD", self.facts.method.as_slice());
    }
}
