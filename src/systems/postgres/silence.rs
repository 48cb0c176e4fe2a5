//! What is done to notice a host that is gone: its kernel confirms nothing any more. For what its
//! connection does not show, see [`Silence`].

use std::collections::BTreeMap;

pub(super) use crate::systems::silence::{Silence, within};

/// What is done to notice a host that is gone, unless the connection says otherwise: after a minute
/// without traffic it is asked every 15 s whether it is there, and a minute without an answer ends
/// the connection. The driver itself would begin to ask after two hours.
pub(super) fn keep_alive(values: &mut BTreeMap<String, String>) {
    for (name, value) in [
        ("keepalives_idle", "60"),
        ("keepalives_interval", "15"),
        ("keepalives_retries", "4"),
        ("tcp_user_timeout", "60"),
    ] {
        values
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    }
}
