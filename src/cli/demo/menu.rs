//! The store's people look into its menu, as a browser would: the sign-in page, its form, and where it leads.
//!
//! Rules: over the real listener; of the answers only statuses and addresses are read.
//! When it fails: a check is FAILED.

use super::cast::STORE_ID;
use super::checks::Check;
use super::stage::Stage;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// The store's one-time password opens its menu, and another does not.
pub(super) async fn check(stage: &Stage) -> Check {
    let (right, wrong) = (stage.store.menu_password.show(), "not the right one");
    let (ok, evidence) = match stage.process.web.first() {
        Some(web) => match timeout(PATIENCE, both(*web, right, wrong)).await {
            Ok(Ok((let_in, refused))) => {
                let ok = let_in.starts_with("303 /menu/password") && refused.starts_with("401");
                (ok, format!("the right one: {let_in}; another: {refused}"))
            }
            Ok(Err(fault)) => (false, fault.to_string()),
            Err(_) => (false, "no answer".to_owned()),
        },
        None => (false, "there is no web listener".to_owned()),
    };
    Check { name: "the store's one-time password opens its menu".to_owned(), ok, evidence }
}

async fn both(web: SocketAddr, right: &str, wrong: &str) -> std::io::Result<(String, String)> {
    Ok((sign_in(web, right).await?, sign_in(web, wrong).await?))
}

/// The status of a sign-in, and where it leads.
async fn sign_in(web: SocketAddr, password: &str) -> std::io::Result<String> {
    let page = request(web, "GET", "", "").await?;
    let cookie = between(&page, "__Host-anshin-form=", ";").unwrap_or_default();
    let word = between(&page, "name=\"word\" value=\"", "\"").unwrap_or_default();
    let password = password.replace(' ', "+");
    let body = format!("word={word}&store={STORE_ID}&name=&password={password}");
    let fields = format!(
        "Cookie: __Host-anshin-form={cookie}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        body.len()
    );
    let answer = request(web, "POST", &fields, &body).await?;
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let to = between(&answer, "location: ", "\r\n").unwrap_or_default();
    Ok(format!("{status} {to}").trim().to_owned())
}

async fn request(web: SocketAddr, method: &str, fields: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(web).await?;
    let head =
        format!("{method} /menu/sign-in HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n{fields}\r\n{body}");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}
