//! Events as they happen (server-sent events).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use evenkeel_observe::events::Stamped;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;

use crate::Controller;
use crate::api::App;
use crate::problem::Problem;

/// A comment is sent when nothing happened for so long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /api/v1/events`. Begins after the event of `Last-Event-ID` or `?since=`, else with the
/// oldest that is remembered.
pub(crate) async fn events(
    State(app): State<App>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let since = since(&query, &headers)?;
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("nothing new");
    Ok(Sse::new(follow(app.controller, since)).keep_alive(keep_alive))
}

fn since(query: &[(String, String)], headers: &HeaderMap) -> Result<u64, Problem> {
    let bad =
        |detail: &str, field: &str| Problem::input(StatusCode::BAD_REQUEST, detail).field(field);
    if let Some((name, _)) = query.iter().find(|(name, _)| name != "since") {
        let name: String = name.chars().take(64).collect();
        return Err(bad("the only parameter is since", &name));
    }
    let header = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let parameter = query.last().map(|(_, value)| value.as_str());
    match header.or(parameter) {
        None | Some("") => Ok(0),
        Some(id) => id.parse().map_err(|_| bad("an event's number is a whole number", "since")),
    }
}

struct Follow {
    controller: Arc<dyn Controller>,
    newest: watch::Receiver<u64>,
    since: u64,
    waiting: VecDeque<Arc<Stamped>>,
}

fn follow(
    controller: Arc<dyn Controller>,
    since: u64,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let newest = controller.newest_event();
    let follow = Follow { controller, newest, since, waiting: VecDeque::new() };
    stream::unfold(follow, |mut follow| async {
        let stamped = follow.next().await?;
        let event = Event::default()
            .id(stamped.id.to_string())
            .event(stamped.event.kind())
            .data(stamped.to_json());
        Some((Ok(event), follow))
    })
}

impl Follow {
    /// The next event; none when the control side ended.
    async fn next(&mut self) -> Option<Arc<Stamped>> {
        loop {
            if let Some(stamped) = self.waiting.pop_front() {
                self.since = stamped.id;
                return Some(stamped);
            }
            // Marked as seen before looking, so that nothing comes between.
            self.newest.borrow_and_update();
            self.waiting = self.controller.events(self.since).await.into();
            if self.waiting.is_empty() {
                self.newest.changed().await.ok()?;
            }
        }
    }
}
