//! Stories to be read by people: operations written as the lines of a trace, and what differs.

use core::fmt::Write;

use presence_engine::{Api, Limit, Platform, Policy, Timeout};
use serde_json::{Map, Value, json};

use super::op::{Device, Line, Op, Patch, Session};
use super::trace::write_line;

/// Returns the input line of an operation. A stamp of more than 2^53-1 is more than a trace allows,
/// as is a number of a session.
pub fn op_line(t: u64, op: &Op) -> String {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.into(), value);
    put("t", json!(t));
    put("op", json!(name_of(op)));
    match op {
        Op::Login { device, reconnect } => {
            put_device(&mut put, device);
            put("reconnect", json!(reconnect));
        }
        Op::Heartbeat { session }
        | Op::LinkClosed { session }
        | Op::Logout { session }
        | Op::Background { session }
        | Op::Foreground { session }
        | Op::Exit { session } => put_session(&mut put, session),
        Op::SetStatus { session, custom } => {
            put_session(&mut put, session);
            put("custom", json!(custom));
        }
        Op::Query { session, users }
        | Op::Subscribe { session, users }
        | Op::Unsubscribe { session, users } => {
            put_session(&mut put, session);
            put("users", json!(users));
        }
        Op::AddFriend { user, friend } | Op::RemoveFriend { user, friend } => {
            put("user", json!(user));
            put("friend", json!(friend));
        }
        Op::ForceOut { user, platform, device } => {
            put("user", json!(user));
            platform.map(|platform| put("platform", json!(platform.name())));
            device.as_ref().map(|device| put("device", json!(device)));
        }
        Op::Register { user } | Op::RemoveUser { user } | Op::Inspect { user } => {
            put("user", json!(user));
        }
        Op::Tick => {}
        Op::Reconfigure(patch) => put_patch(&mut put, patch),
    }
    Value::Object(line).to_string()
}

/// Returns the `config` line of a patch.
pub fn config_line(patch: &Patch) -> String {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.into(), value);
    put("op", json!("config"));
    put_patch(&mut put, patch);
    Value::Object(line).to_string()
}

/// Writes the lines of two machines beside each other: common ones with a space before them, the
/// expected ones with `-`, the given ones with `+`.
pub fn difference(expected: &[Line], given: &[Line]) -> String {
    let alike = expected.iter().zip(given).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    let marked = [(' ', &expected[..alike]), ('-', &expected[alike..]), ('+', &given[alike..])];
    for (mark, lines) in marked {
        for line in lines {
            let mut bytes = Vec::new();
            write_line(&mut bytes, 0, line);
            let _ = write!(text, "{mark} {}", String::from_utf8_lossy(&bytes));
        }
    }
    text
}

fn name_of(op: &Op) -> &'static str {
    match op {
        Op::Login { .. } => "login",
        Op::Heartbeat { .. } => "heartbeat",
        Op::LinkClosed { .. } => "link_closed",
        Op::Logout { .. } => "logout",
        Op::Background { .. } => "background",
        Op::Foreground { .. } => "foreground",
        Op::Exit { .. } => "exit",
        Op::SetStatus { .. } => "set_status",
        Op::Query { .. } => "query",
        Op::Subscribe { .. } => "subscribe",
        Op::Unsubscribe { .. } => "unsubscribe",
        Op::AddFriend { .. } => "add_friend",
        Op::RemoveFriend { .. } => "remove_friend",
        Op::ForceOut { .. } => "force_out",
        Op::Register { .. } => "register",
        Op::RemoveUser { .. } => "remove_user",
        Op::Inspect { .. } => "inspect",
        Op::Tick => "tick",
        Op::Reconfigure(_) => "reconfigure",
    }
}

type Put<'a> = &'a mut dyn FnMut(&str, Value) -> Option<Value>;

fn put_device(put: Put<'_>, device: &Device) {
    put("user", json!(device.user));
    put("platform", json!(device.platform.name()));
    put("device", json!(device.device));
}

fn put_session(put: Put<'_>, session: &Session) {
    put_device(put, &session.device);
    if let Some(nth) = session.nth {
        put("session", json!(nth));
    }
}

fn put_patch(put: Put<'_>, patch: &Patch) {
    if let Some(tier) = patch.tier {
        put("tier", json!(tier.name()));
    }
    for (name, on) in
        [("status_switch", patch.status_switch), ("friend_switch", patch.friend_switch)]
    {
        on.map(|on| put(name, json!(on)));
    }
    if let Some(accounts) = patch.accounts {
        put("accounts", json!(format!("{accounts:?}").to_lowercase()));
    }
    if let Some(policy) = patch.policy {
        put("policy", policy.map_or_else(|_| json!([["android"]]), policy_value));
    }
    let kicked_away = [("on_reconnect", patch.on_reconnect), ("on_login", patch.on_login)];
    put_object(put, "kicked_away", kicked_away.map(|(name, on)| (name, on.map(Value::from))));
    let instances = Platform::LIMITED.map(Platform::name).into_iter().zip(patch.max_instances);
    put_object(put, "max_instances", instances.map(|(name, n)| (name, n.map(Value::from))));
    let limits = Limit::ALL.map(limit_name).into_iter().zip(patch.limits);
    let limits = limits.map(|(name, limit)| (name, limit.map(Value::from)));
    let rates = Api::ALL.map(Api::name).into_iter().zip(patch.rates);
    let rates =
        rates.map(|(name, rate)| (name, rate.map(|rate| json!([rate.requests, rate.per_ms]))));
    put_object(put, "limits", limits.chain(rates));
    let timeouts = Timeout::ALL.map(timeout_name).into_iter().zip(patch.timeouts);
    put_object(put, "timeouts", timeouts.map(|(name, ms)| (name, ms.map(Value::from))));
}

/// Puts the fields that are named, if any is.
fn put_object<'a>(
    put: Put<'_>,
    name: &str,
    fields: impl IntoIterator<Item = (&'a str, Option<Value>)>,
) {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let fields: Map<_, _> = fields.collect();
    if !fields.is_empty() {
        put(name, Value::Object(fields));
    }
}

fn policy_value(policy: Policy) -> Value {
    let Policy::Groups(groups) = policy else {
        return json!(format!("{policy:?}").to_lowercase());
    };
    let mut lists: Vec<Vec<Platform>> = Vec::new();
    for platform in Platform::LIMITED {
        match lists.iter_mut().find(|list| groups.are_together(list[0], platform)) {
            Some(list) => list.push(platform),
            None => lists.push(vec![platform]),
        }
    }
    lists
        .iter()
        .map(|list| list.iter().map(|platform| platform.name()).collect::<Value>())
        .collect()
}

/// The key of a limit in a configuration.
pub fn limit_name(limit: Limit) -> &'static str {
    match limit {
        Limit::Subscriptions => "subscriptions",
        Limit::QueryUsers => "query_users",
        Limit::SubscribeUsers => "subscribe_users",
        Limit::UnsubscribeUsers => "unsubscribe_users",
        Limit::Friends => "friends",
        Limit::CustomStatusBytes => "custom_status_bytes",
    }
}

/// The key of a timeout in a configuration.
pub fn timeout_name(timeout: Timeout) -> &'static str {
    match timeout {
        Timeout::Native => "native",
        Timeout::Web => "web",
        Timeout::MiniProgram => "mini_program",
        Timeout::Background => "background",
        Timeout::Exit => "exit",
        Timeout::Push => "push",
        Timeout::ClearSubscriptions => "clear_subscriptions",
    }
}
