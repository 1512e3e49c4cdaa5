//! Requests to an authority: HTTP/1.1 over TLS, bounded in time and size.

use std::error::Error as StdError;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const ANSWER_MAX: usize = 1 << 20;
/// Who asks (RFC 8555 section 6.1).
const NAME: &str = concat!("evenkeel/", env!("CARGO_PKG_VERSION"));

/// Asks one authority.
pub(crate) struct Client(legacy::Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl Client {
    /// `ca`: who signed the certificate of the authority's server, where the system does not
    /// believe it.
    pub(crate) fn new(ca: Option<&Path>) -> Result<Client, String> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(evenkeel_tls::authority_client(ca)?)
            .https_only()
            .enable_http1()
            .build();
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(ANSWER_WAIT)
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Client(client))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        mut request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(NAME));
        let sent = self.0.request(request);
        let answer = async move {
            let answer = sent.await.map_err(|why| Error::Other(Box::new(why)))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await.map_err(Error::Other)?;
            Ok(BytesResponse { parts, body: Box::new(body.to_bytes()) })
        };
        Box::pin(async move {
            let late = || -> Box<dyn StdError + Send + Sync> { "no answer within 30 s".into() };
            let answered = tokio::time::timeout(ANSWER_WAIT, answer).await;
            answered.unwrap_or_else(|_| Err(Error::Other(late())))
        })
    }
}
