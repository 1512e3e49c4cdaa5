//! Stub until the real room is merged.
#![allow(missing_docs, unused)]
use evenkeel_plan as plan;
use std::sync::Arc;
use std::sync::atomic::*;
use std::time::Duration;
use std::task::{Context, Poll};
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Micros(pub u64);
pub struct Rng(u64);
impl Rng { pub fn new(seed: u64) -> Rng { Rng(seed | 1) } pub fn next(&mut self) -> u64 { self.0 ^= self.0 << 13; self.0 ^= self.0 >> 7; self.0 ^= self.0 << 17; self.0 } }
pub struct Pool { plan: plan::Pool, turn: AtomicUsize }
pub struct Ask<'a> { pub now: Micros, pub key: u64, pub bound: Bound<'a>, pub tried: &'a Tried }
#[derive(Clone, Copy, Debug)]
pub enum Bound<'a> { None, Tag(&'a [u8]), Key(u64) }
#[derive(Default, Clone)]
pub struct Tried(u64);
impl Tried { pub fn add(&mut self, at: usize) { self.0 |= 1 << at } }
pub struct Pick { pub guard: Guard, pub bound: bool }
pub enum NoMember { Empty, AllDown, AllBusy }
pub enum Outcome { Answered { status: u16 }, ConnectFailed, Reset, BadAnswer, Timeout, Aborted }
pub struct Guard { at: usize }
impl Guard {
    pub fn index(&self) -> usize { self.at }
    pub fn connected(&self, _: Micros) {}
    pub fn first_byte(&self, _: Micros) {}
    pub fn received(&self, _: u64) {}
    pub fn sent(&self, _: u64) {}
    pub fn report(self, _: Outcome, _: Micros) {}
    pub fn first_byte_after(&self) -> Option<Duration> { None }
}
pub struct Ticket;
impl Ticket { pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> { Poll::Ready(()) } }
pub enum Change { Up { reason: String }, Down { reason: String }, Ejected { reason: String, time: Duration }, Returned }
pub struct ProbeResult { pub pass: bool, pub reason: String, pub took: Duration }
impl Pool {
    pub fn new(plan: &plan::Pool, _s: Option<&Pool>, _now: Micros) -> Pool { Pool { plan: plan.clone(), turn: AtomicUsize::new(0) } }
    pub fn pick(self: &Arc<Self>, ask: &Ask<'_>, rng: &mut Rng) -> Result<Pick, NoMember> {
        let n = self.plan.members.len();
        for _ in 0..n {
            let at = self.turn.fetch_add(1, Ordering::Relaxed) % n;
            if ask.tried.0 & (1 << at) == 0 { return Ok(Pick { guard: Guard { at }, bound: false }); }
        }
        Err(NoMember::Empty)
    }
    pub fn retry_allowed(&self, _: Micros) -> bool { true }
    pub fn enqueue(self: &Arc<Self>) -> Option<Ticket> { None }
    pub fn tick(&self, _: Micros) -> Vec<(usize, Change)> { Vec::new() }
    pub fn refresh(&self, _: Micros) {}
    pub fn probed(&self, _at: usize, _r: ProbeResult, _n: Micros) -> Option<Change> { None }
    pub fn set_state(&self, _: usize, _: plan::MemberState, _: Micros) {}
    pub fn set_weight(&self, _: usize, _: plan::Weight, _: Micros) {}
}
