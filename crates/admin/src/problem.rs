//! Errors as problem documents (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::Refusal;
use crate::views::DiagnosticView;

/// An error answer.
#[derive(Debug)]
pub(crate) struct Problem(Box<Document>);

#[derive(Debug, Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    /// Which field of the input is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<DiagnosticView>,
}

impl Problem {
    /// `kind` is a short stable word that programs can compare.
    pub(crate) fn new(
        status: StatusCode,
        kind: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem(Box::new(Document {
            kind: format!("urn:evenkeel:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            help: None,
            diagnostics: Vec::new(),
        }))
    }

    pub(crate) fn field(mut self, field: &str) -> Problem {
        self.0.field = Some(field.to_owned());
        self
    }

    pub(crate) fn help(mut self, help: Option<String>) -> Problem {
        self.0.help = help;
        self
    }

    /// Input that cannot be read, or says what cannot be.
    pub(crate) fn input(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem::new(status, "bad-input", "The input is not valid", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "This is not allowed from there", detail)
    }

    pub(crate) fn config(diagnostics: Vec<DiagnosticView>) -> Problem {
        let first = diagnostics.first().map(|d| d.message.clone()).unwrap_or_default();
        let mut problem = Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-configuration",
            "The configuration was refused; nothing changed",
            first,
        );
        problem.0.diagnostics = diagnostics;
        problem
    }

    pub(crate) fn refused(refusal: Refusal, pool: &str, member: &str) -> Problem {
        match refusal {
            Refusal::UnknownPool => Problem::not_found(format!("no pool is named \"{pool}\"")),
            Refusal::UnknownMember => Problem::not_found(format!(
                "pool \"{pool}\" has no member with the tag or address \"{member}\""
            )),
            Refusal::Invalid { field, detail } => {
                Problem::input(StatusCode::UNPROCESSABLE_ENTITY, detail).field(field)
            }
            Refusal::Conflict(detail) => Problem::new(
                StatusCode::CONFLICT,
                "conflict",
                "It contradicts what is there",
                detail,
            ),
            Refusal::Unavailable(detail) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not possible now",
                detail,
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Every status comes from a StatusCode, and plain text and numbers always serialise.
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, kind)], body).into_response()
    }
}
