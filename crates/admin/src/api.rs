//! The paths and what they do.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use evenkeel_observe::metrics;
use evenkeel_plan::check::nearest;
use tokio::time::timeout;

use crate::access::{self, MayChange};
use crate::controller::{Controller, Readiness};
use crate::input::{self, Object};
use crate::problem::Problem;
use crate::views::{
    ListenerView, MemberView, OrderView, PoolView, ReloadReport, RouteView, StatusView,
};
use crate::{dashboard, stream};

/// The description of all paths, OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");
/// The largest body.
const BODY_MAX: usize = 64 * 1024;
/// From the head of a request to the head of the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What every path has at hand.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) controller: Arc<dyn Controller>,
    pub(crate) token: Option<Arc<str>>,
}

/// The whole site.
pub(crate) fn router(app: App) -> Router {
    let api = Router::new()
        .route("/status", get(status))
        .route("/pools", get(pools))
        .route("/pools/{pool}", get(pool))
        .route("/pools/{pool}/members", post(add_member))
        .route(
            "/pools/{pool}/members/{member}",
            get(member).patch(patch_member).delete(remove_member),
        )
        .route("/listeners", get(listeners))
        .route("/routes", get(routes))
        .route("/acme", get(orders))
        .route("/reload", post(reload))
        .route("/drain", post(drain))
        .route("/events", get(stream::events))
        .route("/openapi.json", get(openapi));
    let site = Router::new()
        .nest("/api/v1", api)
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(dashboard::router());
    site.method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), access::guard))
        .layer(middleware::from_fn(finish))
        .with_state(app)
}

/// What holds for every answer: a time limit, and headers that keep browsers careful.
async fn finish(request: Request, next: Next) -> Response {
    let mut response = match timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-slow",
            "No answer in time",
            "the request was not complete, or the balancer did not answer, within 60 s",
        )
        .into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

async fn status(
    State(app): State<App>,
    Extension(MayChange(changes_allowed)): Extension<MayChange>,
) -> Json<StatusView> {
    Json(StatusView { changes_allowed, ..app.controller.status().await })
}

async fn pools(State(app): State<App>) -> Json<Vec<PoolView>> {
    Json(app.controller.pools().await)
}

async fn pool(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<PoolView>, Problem> {
    let Path(pool) = path.map_err(bad_path)?;
    find_pool(&app, &pool).await.map(Json)
}

async fn member(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<MemberView>, Problem> {
    let Path((pool, member)) = path.map_err(bad_path)?;
    let members = find_pool(&app, &pool).await?.members;
    let by_tag = members.iter().position(|m| m.tag == member);
    let found = by_tag.or_else(|| members.iter().position(|m| m.address == member));
    match found.and_then(|index| members.get(index)) {
        Some(found) => Ok(Json(found.clone())),
        None => Err(no_member(&pool, &member, &members)),
    }
}

async fn patch_member(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<MemberView>, Problem> {
    let Path((pool, member)) = path.map_err(bad_path)?;
    let patch = input::member_patch(&Object::read(&headers, body)?)?;
    let changed = app.controller.patch_member(&pool, &member, patch).await;
    changed.map(Json).map_err(|refusal| Problem::refused(refusal, &pool, &member))
}

async fn add_member(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, [(header::HeaderName, String); 1], Json<MemberView>), Problem> {
    let Path(pool) = path.map_err(bad_path)?;
    let member = input::new_member(&Object::read(&headers, body)?)?;
    let tag = member.tag.clone();
    let added = app.controller.add_member(&pool, member).await;
    let added = added.map_err(|refusal| Problem::refused(refusal, &pool, &tag))?;
    let place = format!("/api/v1/pools/{}/members/{}", segment(&pool), segment(&added.tag));
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(added)))
}

async fn remove_member(
    State(app): State<App>,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let Path((pool, member)) = path.map_err(bad_path)?;
    input::nothing(body)?;
    let removed = app.controller.remove_member(&pool, &member).await;
    removed
        .map(|()| StatusCode::NO_CONTENT)
        .map_err(|refusal| Problem::refused(refusal, &pool, &member))
}

async fn listeners(State(app): State<App>) -> Json<Vec<ListenerView>> {
    Json(app.controller.listeners().await)
}

async fn routes(State(app): State<App>) -> Json<Vec<RouteView>> {
    Json(app.controller.routes().await)
}

async fn orders(State(app): State<App>) -> Json<Vec<OrderView>> {
    Json(app.controller.orders().await)
}

async fn reload(
    State(app): State<App>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ReloadReport>, Problem> {
    input::nothing(body)?;
    app.controller.reload().await.map(Json).map_err(Problem::config)
}

async fn drain(
    State(app): State<App>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<serde_json::Value>), Problem> {
    input::nothing(body)?;
    app.controller.drain().await;
    Ok((StatusCode::ACCEPTED, Json(serde_json::json!({ "state": "draining" }))))
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn metrics_page(State(app): State<App>) -> Response {
    let text = app.controller.metrics().await;
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    match app.controller.ready().await {
        Readiness::Ready => (StatusCode::OK, "ready\n".to_owned()),
        Readiness::NotReady(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn unknown_path(uri: Uri) -> Problem {
    let shown: String = uri.path().chars().take(200).collect();
    Problem::not_found(format!("nothing is at {shown}"))
        .help(Some("GET /api/v1/openapi.json lists what there is".to_owned()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let shown: String = uri.path().chars().take(200).collect();
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong-method",
        "The method is not possible there",
        format!("{shown} knows no {method}"),
    )
}

async fn find_pool(app: &App, name: &str) -> Result<PoolView, Problem> {
    if let Some(pool) = app.controller.pool(name).await {
        return Ok(pool);
    }
    let pools = app.controller.pools().await;
    let near = nearest(name, pools.iter().map(|pool| pool.name.as_str()));
    Err(Problem::not_found(format!("no pool is named \"{name}\"")).help(near.map(did_you_mean)))
}

fn no_member(pool: &str, member: &str, members: &[MemberView]) -> Problem {
    let names = members.iter().flat_map(|m| [m.tag.as_str(), m.address.as_str()]);
    let near = nearest(member, names).map(did_you_mean);
    Problem::refused(crate::Refusal::UnknownMember, pool, member).help(near)
}

fn did_you_mean(near: &str) -> String {
    format!("did you mean \"{near}\"?")
}

fn bad_path(_: PathRejection) -> Problem {
    Problem::input(StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8")
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for b in name.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(b));
            }
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
