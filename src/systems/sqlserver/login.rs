//! Who logs in: a user with a password, the bearer of a token, or the user of this computer by a ticket.

use tiberius::{AuthMethod, Config};

use super::connect::{Values, one_of};

/// Takes what a connection says of it, and tells whether that is a ticket; errors end a sentence about
/// the connection.
pub(super) fn login(config: &mut Config, values: &Values) -> Result<bool, String> {
    let words = ["false", "no", "true", "yes", "sspi"];
    if one_of(values, "integrated_security", &words)? >= 2 {
        config.authentication(integrated(values)?);
        return Ok(true);
    }
    match (values.get("access_token"), values.get("user")) {
        (Some(token), None) => config.authentication(AuthMethod::aad_token(token)),
        (Some(_), Some(_)) => return Err("has both a user and an access_token".to_owned()),
        (None, Some(user)) => {
            let password = values.get("password").map_or("", String::as_str);
            config.authentication(AuthMethod::sql_server(user, password));
        }
        (None, None) => {
            return Err(
                "names neither a user nor an access_token nor integrated_security (SQLCMDUSER is \
                 not set either)"
                    .to_owned(),
            );
        }
    }
    Ok(false)
}

/// The login of the user of this computer.
fn integrated(values: &Values) -> Result<AuthMethod, String> {
    let other = ["user", "access_token"];
    if let Some(other) = other.iter().find(|key| values.contains_key(**key)) {
        return Err(format!("has both integrated_security and {other}"));
    }
    // A ticket is for host and port, and the browser's answer comes after that.
    if values.contains_key("instance") && !values.contains_key("port") {
        return Err("wants a port beside integrated_security, not an instance alone".to_owned());
    }
    by_ticket()
}

#[cfg(all(unix, feature = "sqlserver-kerberos"))]
fn by_ticket() -> Result<AuthMethod, String> {
    Ok(AuthMethod::Integrated)
}

#[cfg(not(all(unix, feature = "sqlserver-kerberos")))]
fn by_ticket() -> Result<AuthMethod, String> {
    Err(
        "has integrated_security, which wants a build for Unix with the cargo feature \
         sqlserver-kerberos"
            .to_owned(),
    )
}
