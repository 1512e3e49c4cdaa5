//! A controller that keeps two members and writes down its orders.

use std::sync::{Arc, Mutex};

use evenkeel_admin::views::{
    DiagnosticView, ListenerView, MemberView, OrderView, PoolView, ReloadReport, RouteView,
    StatusView,
};
use evenkeel_admin::{Answer, Controller, MemberPatch, Readiness, Refusal};
use evenkeel_observe::events::{Event, Ring, Stamped};
use evenkeel_plan::Member;
use tokio::sync::watch;

pub(crate) struct Fake {
    pub(crate) orders: Mutex<Vec<String>>,
    pub(crate) ring: Mutex<Ring>,
    pub(crate) newest: watch::Sender<u64>,
    pub(crate) metrics: String,
    pub(crate) broken_config: bool,
    pub(crate) draining: bool,
}

impl Fake {
    pub(crate) fn new() -> Fake {
        Fake {
            orders: Mutex::default(),
            ring: Mutex::default(),
            newest: watch::channel(0).0,
            metrics: "# TYPE evenkeel_uptime_seconds gauge\nevenkeel_uptime_seconds 1\n".into(),
            broken_config: false,
            draining: false,
        }
    }

    pub(crate) fn orders(&self) -> Vec<String> {
        self.orders.lock().unwrap().clone()
    }

    pub(crate) fn happen(&self, event: Event) {
        let stamped = self.ring.lock().unwrap().push(1000, event);
        self.newest.send_replace(stamped.id);
    }

    fn order(&self, text: String) {
        self.orders.lock().unwrap().push(text);
    }

    fn view() -> PoolView {
        let member = |tag: &str, address: &str| MemberView {
            tag: tag.into(),
            address: address.into(),
            weight: 1.0,
            state: "ready".into(),
            health: "up".into(),
            usable: true,
            ..MemberView::default()
        };
        PoolView {
            name: "api".into(),
            policy: "round-robin".into(),
            usable: 2,
            members: vec![member("a", "10.0.0.11:8080"), member("b", "unix:/run/b.sock")],
            ..PoolView::default()
        }
    }

    fn find(pool: &str, member: &str) -> Result<MemberView, Refusal> {
        if pool != "api" {
            return Err(Refusal::UnknownPool);
        }
        let members = Fake::view().members.into_iter();
        let found = members.into_iter().find(|m| m.tag == member || m.address == member);
        found.ok_or(Refusal::UnknownMember)
    }
}

fn now<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Controller for Fake {
    fn status(&self) -> Answer<'_, StatusView> {
        now(StatusView {
            version: "1.2.3".into(),
            state: "serving".into(),
            ..StatusView::default()
        })
    }

    fn pools(&self) -> Answer<'_, Vec<PoolView>> {
        now(vec![Fake::view()])
    }

    fn pool<'a>(&'a self, pool: &'a str) -> Answer<'a, Option<PoolView>> {
        now((pool == "api").then(Fake::view))
    }

    fn listeners(&self) -> Answer<'_, Vec<ListenerView>> {
        now(vec![ListenerView { name: "web".into(), ..ListenerView::default() }])
    }

    fn routes(&self) -> Answer<'_, Vec<RouteView>> {
        now(vec![RouteView { name: "route-1".into(), ..RouteView::default() }])
    }

    fn orders(&self) -> Answer<'_, Vec<OrderView>> {
        now(vec![OrderView { authority: "default".into(), ..OrderView::default() }])
    }

    fn patch_member<'a>(
        &'a self,
        pool: &'a str,
        member: &'a str,
        patch: MemberPatch,
    ) -> Answer<'a, Result<MemberView, Refusal>> {
        now(Fake::find(pool, member).map(|mut view| {
            let state = patch.state.map(|state| state.name());
            let weight = patch.weight.map(|weight| weight.to_string());
            self.order(format!("patch {pool} {member} {state:?} {weight:?}"));
            view.state = state.unwrap_or("ready").into();
            view
        }))
    }

    fn add_member<'a>(
        &'a self,
        pool: &'a str,
        member: Member,
    ) -> Answer<'a, Result<MemberView, Refusal>> {
        if *member.tag == *"a" {
            let text = "another member of pool \"api\" has the tag \"a\"";
            return now(Err(Refusal::Conflict(text.into())));
        }
        self.order(format!("add {pool} {member:?}"));
        let tag = member.tag.to_string();
        now(Ok(MemberView { tag, address: member.address.to_string(), ..MemberView::default() }))
    }

    fn remove_member<'a>(
        &'a self,
        pool: &'a str,
        member: &'a str,
    ) -> Answer<'a, Result<(), Refusal>> {
        now(Fake::find(pool, member).map(|_| self.order(format!("remove {pool} {member}"))))
    }

    fn reload(&self) -> Answer<'_, Result<ReloadReport, Vec<DiagnosticView>>> {
        self.order("reload".into());
        if self.broken_config {
            return now(Err(vec![DiagnosticView {
                severity: "error".into(),
                message: "no pool is named \"apo\"".into(),
                file: Some("evenkeel.toml".into()),
                line: Some(7),
                ..DiagnosticView::default()
            }]));
        }
        now(Ok(ReloadReport { generation: 2, ..ReloadReport::default() }))
    }

    fn drain(&self) -> Answer<'_, ()> {
        self.order("drain".into());
        now(())
    }

    fn events(&self, since: u64) -> Answer<'_, Vec<Arc<Stamped>>> {
        now(self.ring.lock().unwrap().since(since))
    }

    fn newest_event(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn metrics(&self) -> Answer<'_, String> {
        now(self.metrics.clone())
    }

    fn ready(&self) -> Answer<'_, Readiness> {
        now(match self.draining {
            true => Readiness::NotReady("draining".into()),
            false => Readiness::Ready,
        })
    }
}
