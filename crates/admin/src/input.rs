//! What comes in bodies: strict JSON. Every error names its field.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use evenkeel_plan::check::nearest;
use evenkeel_plan::{Address, Member, MemberState, Name, Weight};
use serde_json::{Map, Value};
use std::time::Duration;

use crate::MemberPatch;
use crate::problem::Problem;

/// The longest slow start, an hour.
const SLOW_START_MAX: Duration = Duration::from_secs(3600);

/// The body of `PATCH …/members/{member}`.
pub(crate) fn member_patch(object: &Object) -> Result<MemberPatch, Problem> {
    object.only(&["state", "weight"])?;
    let patch = MemberPatch { state: state(object)?, weight: weight(object)? };
    if patch == MemberPatch::default() {
        return Err(bad("there is nothing to change: give state, weight or both"));
    }
    Ok(patch)
}

/// The body of `POST …/members`.
pub(crate) fn new_member(object: &Object) -> Result<Member, Problem> {
    object.only(&[
        "address",
        "tag",
        "weight",
        "tier",
        "backup",
        "spare",
        "state",
        "max_requests",
        "slow_start_ms",
    ])?;
    let address = object.text("address")?;
    let address = address.ok_or_else(|| bad("address is missing").field("address"))?;
    let address: Address = address.parse().map_err(|e| value("address", e))?;
    let mut member = Member::new(address);
    if let Some(tag) = object.text("tag")? {
        member.tag = Name::new(tag).map_err(|e| value("tag", e))?;
    }
    member.weight = weight(object)?.unwrap_or(member.weight);
    member.state = state(object)?.unwrap_or(member.state);
    if let Some(tier) = object.whole("tier", 0, 99)? {
        // At most 99.
        member.tier = tier as u8;
    }
    member.backup = object.flag("backup")?;
    member.spare = object.flag("spare")?;
    // Within 32 bits by its range.
    member.max_requests = object.whole("max_requests", 1, u32::MAX.into())?.map(|n| n as u32);
    let longest = SLOW_START_MAX.as_millis() as u64;
    let slow_start = object.whole("slow_start_ms", 0, longest)?;
    member.slow_start = Duration::from_millis(slow_start.unwrap_or(0));
    Ok(member)
}

fn state(object: &Object) -> Result<Option<MemberState>, Problem> {
    let Some(text) = object.text("state")? else { return Ok(None) };
    let found = MemberState::ALL.into_iter().find(|(_, name)| *name == text);
    found.map(|(state, _)| Some(state)).ok_or_else(|| {
        // The words of other balancers and of our own command line.
        let near = match text {
            "enable" | "enabled" | "up" | "active" => Some("ready"),
            "disable" | "down" | "maint" | "maintenance" => Some("disabled"),
            _ => nearest(text, MemberState::ALL.into_iter().map(|(_, name)| name)),
        };
        let detail = format!("\"{text}\" is no state; states are ready, drain and disabled");
        value("state", &detail).help(near.map(|n| format!("did you mean \"{n}\"?")))
    })
}

fn weight(object: &Object) -> Result<Option<Weight>, Problem> {
    let Some(number) = object.number("weight")? else { return Ok(None) };
    let hundredths = (number * 100.0).round();
    // Numbers outside 32 bits become its ends, which are outside the range of weights.
    let weight = Weight::from_hundredths(hundredths as u32);
    weight.map(Some).ok_or_else(|| value("weight", "a weight is a number from 0.01 to 1000"))
}

/// A JSON object from a body.
#[derive(Debug)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// The object of a request. A JSON content type is demanded: it keeps out HTML forms.
    pub(crate) fn read(
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Object, Problem> {
        let body = bytes(body)?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let json = ["application/json", "application/merge-patch+json"];
        if !json.iter().any(|json| json.eq_ignore_ascii_case(kind)) {
            return Err(Problem::input(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send JSON, with the header Content-Type: application/json",
            ));
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(Object(object)),
            Ok(_) => Err(bad("expected a JSON object, like {\"state\": \"drain\"}")),
            Err(error) => Err(bad(format!("not valid JSON: {error}"))),
        }
    }

    /// Refuses other fields than these.
    fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let Some(field) = self.0.keys().find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        let near = nearest(field, known.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known fields: {}", known.join(", ")),
        };
        let shown: String = field.chars().take(64).collect();
        Err(bad(format!("there is no field \"{shown}\"")).field(&shown).help(Some(help)))
    }

    fn text(&self, field: &str) -> Result<Option<&str>, Problem> {
        match self.0.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(format!("{field} must be a text")).field(field)),
        }
    }

    fn number(&self, field: &str) -> Result<Option<f64>, Problem> {
        match self.0.get(field) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(_) => Err(bad(format!("{field} must be a number")).field(field)),
        }
    }

    fn whole(&self, field: &str, least: u64, most: u64) -> Result<Option<u64>, Problem> {
        let Some(found) = self.0.get(field) else { return Ok(None) };
        let number = found.as_u64().filter(|number| (least..=most).contains(number));
        let detail = format!("{field} must be a whole number from {least} to {most}");
        number.map(Some).ok_or_else(|| bad(detail).field(field))
    }

    fn flag(&self, field: &str) -> Result<bool, Problem> {
        match self.0.get(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(bad(format!("{field} must be true or false")).field(field)),
        }
    }
}

/// The body of an order that needs none: empty, or an empty object.
pub(crate) fn nothing(body: Result<Bytes, BytesRejection>) -> Result<(), Problem> {
    match bytes(body)?.trim_ascii() {
        b"" | b"{}" => Ok(()),
        _ => Err(bad("this takes no body")),
    }
}

fn bytes(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::input(StatusCode::PAYLOAD_TOO_LARGE, "a body has at most 64 KiB")
        }
        status => Problem::input(status, "the body could not be read"),
    })
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::input(StatusCode::BAD_REQUEST, detail)
}

fn value(field: &str, detail: &str) -> Problem {
    Problem::input(StatusCode::UNPROCESSABLE_ENTITY, detail).field(field)
}
