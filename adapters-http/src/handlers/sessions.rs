use auth_domain::{SessionId, SessionInfo, Timestamp, UserAgent};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::call::Call;
use crate::language;
use crate::problem::Problem;

#[derive(Serialize)]
struct Sessions {
    sessions: Vec<Session>,
}

#[derive(Serialize)]
struct Session {
    id: String,
    created_at: String,
    last_used_at: String,
    user_agent: Option<String>,
    current: bool,
}

impl From<SessionInfo> for Session {
    fn from(info: SessionInfo) -> Self {
        Self {
            id: info.id.to_string(),
            created_at: rfc_3339(info.created_at),
            last_used_at: rfc_3339(info.last_used_at),
            user_agent: info.user_agent.as_ref().map(UserAgent::as_str).map(str::to_owned),
            current: info.current,
        }
    }
}

/// In whole seconds. A stored time beyond the last that can be written so is shown as that.
fn rfc_3339(at: Timestamp) -> String {
    const LAST: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z
    let seconds = i64::try_from(at.as_seconds().min(LAST)).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}

pub(crate) async fn list(call: Call) -> Result<Response, Problem> {
    let claims = call.bearer().await?;
    let listed = call.in_time(call.auth().list_sessions(&claims, &call.context)).await?;
    let sessions = listed.into_iter().map(Session::from).collect();
    Ok(call.json(StatusCode::OK, &Sessions { sessions }))
}

pub(crate) async fn end(mut call: Call) -> Result<Response, Problem> {
    let claims = call.bearer().await?;
    let id = SessionId::parse(&call.path_segment().await)?;
    call.in_time(call.auth().end_session(&claims, id, &call.context)).await?;
    Ok(call.say(StatusCode::OK, &language::SESSION_ENDED))
}

pub(crate) async fn end_all(call: Call) -> Result<Response, Problem> {
    let claims = call.bearer().await?;
    call.in_time(call.auth().end_all_sessions(&claims, &call.context)).await?;
    Ok(call.say(StatusCode::OK, &language::SESSIONS_ENDED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_and_the_last_one_bounds_them() {
        let written = |seconds| rfc_3339(Timestamp::from_seconds(seconds));
        assert_eq!(written(0), "1970-01-01T00:00:00Z");
        assert_eq!(written(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(written(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(written(u64::MAX), "9999-12-31T23:59:59Z");
        let fraction = Timestamp::from_micros(1_700_000_000_999_999);
        assert_eq!(rfc_3339(fraction), "2023-11-14T22:13:20Z");
    }
}
