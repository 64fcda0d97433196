//! Authentication: the first of the server's mechanisms for which there are credentials.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use quarterdeck_alertmanager::config::Email;
use quarterdeck_kernel::Secret;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Session;
use crate::client::read_secret;
use crate::failure::Failure;

/// Authenticates, where there is a user and the server asks for one.
pub(super) async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    session: &mut Session<S>,
    settings: &Email,
    encrypted: bool,
) -> Result<(), Failure> {
    let user = &settings.auth_username;
    let Some(offered) = session.ability("AUTH").map(str::to_owned) else { return Ok(()) };
    if user.is_empty() {
        return Ok(());
    }
    for mechanism in offered.split_whitespace() {
        match mechanism {
            "CRAM-MD5" => {
                if let Some(secret) = read(settings.auth_secret.as_ref()).await? {
                    return cram_md5(session, user, &secret).await;
                }
            }
            "PLAIN" => {
                if let Some(password) = read(settings.auth_password.as_ref()).await? {
                    let local = matches!(settings.host.as_str(), "localhost" | "127.0.0.1" | "::1");
                    if !encrypted && !local {
                        return Err(Failure::never("a password is not sent to the server without TLS"));
                    }
                    let identity = &settings.auth_identity;
                    let words = STANDARD.encode(format!("{identity}\0{user}\0{}", password.expose()));
                    let reply = session.tell(&format!("AUTH PLAIN {words}"), "AUTH").await?;
                    return accepted(reply.code, &reply.text());
                }
            }
            "LOGIN" => {
                if let Some(password) = read(settings.auth_password.as_ref()).await? {
                    return login(session, user, &password).await;
                }
            }
            _ => {}
        }
    }
    Err(Failure::later(format!(
        "there are no credentials for any way in which the server authenticates: {offered}"
    )))
}

async fn read(
    source: Option<&quarterdeck_alertmanager::config::SecretSource>,
) -> Result<Option<Secret>, Failure> {
    match source {
        Some(source) => Ok(Some(read_secret(source).await?).filter(|secret| !secret.is_empty())),
        None => Ok(None),
    }
}

fn accepted(code: u16, text: &str) -> Result<(), Failure> {
    if code == 235 {
        Ok(())
    } else {
        Err(Failure::later(format!("the server refuses the credentials: {text}")))
    }
}

async fn login<S: AsyncRead + AsyncWrite + Unpin>(
    session: &mut Session<S>,
    user: &str,
    password: &Secret,
) -> Result<(), Failure> {
    let mut reply = session.tell("AUTH LOGIN", "AUTH").await?;
    for _ in 0..2 {
        if reply.code != 334 {
            return accepted(reply.code, &reply.text());
        }
        let asked = decoded(&reply.lines)?.to_ascii_lowercase();
        let answer = match asked.trim() {
            "username:" | "user name" => user,
            "password:" | "password" => password.expose(),
            _ => return Err(Failure::later("the server asks for something else than user and password")),
        };
        reply = session.tell(&STANDARD.encode(answer), "AUTH").await?;
    }
    accepted(reply.code, &reply.text())
}

async fn cram_md5<S: AsyncRead + AsyncWrite + Unpin>(
    session: &mut Session<S>,
    user: &str,
    secret: &Secret,
) -> Result<(), Failure> {
    let reply = session.tell("AUTH CRAM-MD5", "AUTH").await?;
    if reply.code != 334 {
        return accepted(reply.code, &reply.text());
    }
    let challenge = decoded(&reply.lines)?;
    let answer = format!("{user} {}", hmac_md5(secret.expose().as_bytes(), challenge.as_bytes()));
    let reply = session.tell(&STANDARD.encode(answer), "AUTH").await?;
    accepted(reply.code, &reply.text())
}

fn decoded(lines: &[String]) -> Result<String, Failure> {
    let text = lines.first().map(|line| line.trim()).unwrap_or_default();
    let bytes = STANDARD.decode(text).map_err(|_| Failure::later("the server's question is not base64"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// RFC 2104 with MD5, in hexadecimal digits.
fn hmac_md5(key: &[u8], message: &[u8]) -> String {
    let mut block = [0u8; 64];
    if key.len() > block.len() {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |byte: u8| block.map(|b| b ^ byte);
    let inner = Md5::new().chain_update(pad(0x36)).chain_update(message).finalize();
    let outer = Md5::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cram_md5_is_rfc_2195s() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(hmac_md5(b"tanstaaftanstaaf", challenge), "b913a602c7eda7a495b4e6e7334d3890");
        assert_eq!(
            hmac_md5(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"
        );
    }
}
