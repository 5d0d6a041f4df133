//! AWS KMS that wraps the secrets of the ring with a key in Tokyo or Osaka, bound to the name of the key file by the
//! encryption context. Encrypt, Decrypt and DescribeKey, signed with AWS Signature Version 4; nothing else of AWS.
//!
//! Rules: it is asked when the ring is read and when a key is made, once for each key, and blocks its caller; what it
//! answers is bounded. A multi-Region key, one that is not enabled or not symmetric is refused: the ARN was looked at by the
//! configuration, and KMS is asked too, since a name is no promise.
//! When it fails: [`WrappingFault`] with KMS's own word for it; credentials are never told.

use super::wrapping::WrappingFault;
use crate::mail::Timestamp;
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long each step of a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most octets of an answer; those of KMS have some hundred.
const ANSWER_MAX: u64 = 64 * 1024;

/// Which key, and how to come to it.
pub struct KmsSetup {
    /// Its ARN.
    pub key: String,
    /// Its region.
    pub region: String,
    /// A TOML file with `access_key_id`, `secret_access_key` and maybe `session_token`.
    pub credentials_file: PathBuf,
    /// Where KMS answers, if not at its public name.
    pub endpoint: String,
}

/// The key in KMS.
pub struct Kms {
    key: String,
    region: String,
    credentials_file: PathBuf,
    host: String,
    port: u16,
    /// None on loopback, where a test's KMS answers.
    tls: Option<Arc<rustls::ClientConfig>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    session_token: Option<String>,
}

impl Drop for Credentials {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.secret_access_key.zeroize();
        self.session_token.zeroize();
    }
}

fn fault(reason: impl Into<String>) -> WrappingFault {
    WrappingFault::Provider { provider: "aws-kms", reason: reason.into() }
}

impl Kms {
    /// Asks KMS what key it is.
    ///
    /// # Errors
    /// [`WrappingFault`] when it can't be asked, or the key may not be used.
    pub fn open(setup: KmsSetup) -> Result<Self, WrappingFault> {
        let KmsSetup { key, region, credentials_file, endpoint } = setup;
        let (host, port, tls) = place(&endpoint, &region)?;
        let kms = Self { key, region, credentials_file, host, port, tls };
        let answer = kms.ask("DescribeKey", &json!({ "KeyId": kms.key }))?;
        let about = |name: &str| answer.get("KeyMetadata").and_then(|metadata| metadata.get(name));
        let word = |name: &str| about(name).and_then(Value::as_str).unwrap_or_default();
        if about("MultiRegion").and_then(Value::as_bool) == Some(true) {
            return Err(fault(
                "the key is a multi-Region key, which can be copied out of Japan; make a single-Region key",
            ));
        }
        if word("Arn") != kms.key {
            return Err(fault("KMS knows this key by another ARN; name the key itself, no alias"));
        }
        if word("KeyState") != "Enabled" {
            return Err(fault("the key is not enabled"));
        }
        // Older answers name it otherwise.
        if ![word("KeySpec"), word("CustomerMasterKeySpec")].contains(&"SYMMETRIC_DEFAULT") {
            return Err(fault("the key is not symmetric (SYMMETRIC_DEFAULT)"));
        }
        Ok(kms)
    }

    /// How key files name it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("aws-kms:{}", self.key)
    }

    pub(super) fn wrap(&self, bound: &str, key: &[u8; 32]) -> Result<Vec<u8>, WrappingFault> {
        let plain = Zeroizing::new(BASE64.encode(key));
        let asked = json!({
            "KeyId": self.key,
            "Plaintext": *plain,
            "EncryptionContext": { "anshin-key": bound },
        });
        decoded(&self.ask("Encrypt", &asked)?, "CiphertextBlob").map(|wrapped| wrapped.to_vec())
    }

    pub(super) fn unwrap(&self, bound: &str, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, WrappingFault> {
        let asked = json!({
            "KeyId": self.key,
            "CiphertextBlob": BASE64.encode(wrapped),
            "EncryptionContext": { "anshin-key": bound },
        });
        let plain = decoded(&self.ask("Decrypt", &asked)?, "Plaintext")?;
        <[u8; 32]>::try_from(plain.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| fault("what it unwrapped is no key of ours"))
    }

    fn ask(&self, action: &str, asked: &Value) -> Result<Value, WrappingFault> {
        let body = Zeroizing::new(asked.to_string());
        let text = std::fs::read_to_string(&self.credentials_file).map(Zeroizing::new).map_err(|error| {
            fault(format!("{}: {error}; set keys.aws_kms.credentials_file", self.credentials_file.display()))
        })?;
        let credentials: Credentials = toml::from_str(&text).map_err(|_| {
            fault(format!(
                "{} is no TOML with access_key_id and secret_access_key",
                self.credentials_file.display()
            ))
        })?;
        let request = self.request(action, &body, &credentials, Timestamp::now());
        let unreachable = |error: std::io::Error| {
            fault(format!("{}:{} does not answer ({})", self.host, self.port, error.kind()))
        };
        let answer = self.exchange(&request).map_err(unreachable)?;
        let (status, body) = read_answer(&answer).ok_or_else(|| fault("the answer is no HTTP"))?;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status != 200 {
            // A class name such as AccessDeniedException; the message beside it may quote what was sent.
            let word = value.get("__type").and_then(Value::as_str).unwrap_or_default();
            let word: String = word.chars().filter(|c| c.is_ascii_alphanumeric()).take(60).collect();
            return Err(fault(format!("{action} was refused: {status} {word}")));
        }
        Ok(value)
    }

    /// The request as octets, signed (AWS Signature Version 4).
    fn request(
        &self,
        action: &str,
        body: &str,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Zeroizing<Vec<u8>> {
        let compact: String = now.to_rfc3339().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        let (date, time) = compact.split_at(compact.len().min(8));
        let time: String = time.chars().filter(|c| c.is_ascii_digit() || *c == 'T').take(7).collect();
        let (stamp, scope) = (format!("{date}{time}Z"), format!("{date}/{}/kms/aws4_request", self.region));
        let host =
            if self.tls.is_some() { self.host.clone() } else { format!("{}:{}", self.host, self.port) };
        let target = format!("TrentService.{action}");
        let mut headers =
            vec![("content-type", "application/x-amz-json-1.1"), ("host", &host), ("x-amz-date", &stamp)];
        if let Some(token) = &credentials.session_token {
            headers.push(("x-amz-security-token", token));
        }
        headers.push(("x-amz-target", &target));
        let listed: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical = format!("POST\n/\n\n{listed}\n{names}\n{}", hex(body.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(canonical.as_bytes()));
        let first = Zeroizing::new(format!("AWS4{}", credentials.secret_access_key));
        let mut key = mac(first.as_bytes(), date.as_bytes());
        for part in [self.region.as_str(), "kms", "aws4_request"] {
            key = mac(&*key, part.as_bytes());
        }
        let signature = HEXLOWER.encode(&*mac(&*key, to_sign.as_bytes()));
        let id = &credentials.access_key_id;
        let mut request = Zeroizing::new(Vec::with_capacity(2048 + body.len()));
        request.extend_from_slice(b"POST / HTTP/1.1\r\n");
        for (name, value) in headers {
            request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let rest = format!(
            "authorization: AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        request.extend_from_slice(rest.as_bytes());
        request.extend_from_slice(body.as_bytes());
        request
    }

    fn exchange(&self, request: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>> {
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for address in (self.host.as_str(), self.port).to_socket_addrs()?.take(6) {
            let stream = match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => stream,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            return match &self.tls {
                None => converse(stream, request),
                Some(tls) => {
                    let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
                    let session =
                        rustls::ClientConnection::new(tls.clone(), name).map_err(std::io::Error::other)?;
                    converse(rustls::StreamOwned::new(session, stream), request)
                }
            };
        }
        Err(last)
    }
}

fn converse(mut stream: impl Read + Write, request: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = Zeroizing::new(Vec::with_capacity(4096));
    match stream.take(ANSWER_MAX).read_to_end(&mut answer) {
        // Some servers end without a word (RFC 8446 §6.1); the length in the head tells whether it is whole.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

/// Status and body of an answer.
fn read_answer(answer: &[u8]) -> Option<(u16, Zeroizing<Vec<u8>>)> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let value = |line: &str, name: &str| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    };
    let length = lines.find_map(|line| value(line, "content-length"))?.parse::<usize>().ok()?;
    let body = answer.get(end + 4..)?.get(..length)?;
    Some((status, Zeroizing::new(body.to_vec())))
}

/// Where KMS answers, and how it is spoken to.
type Answering = (String, u16, Option<Arc<rustls::ClientConfig>>);

fn place(endpoint: &str, region: &str) -> Result<Answering, WrappingFault> {
    let public = format!("https://kms.{region}.amazonaws.com");
    let url = if endpoint.is_empty() { &public } else { endpoint };
    let elsewhere = || {
        fault(format!(
            "keys.aws_kms.endpoint: write https://…{region}…amazonaws.com, an endpoint of the key's own region, or leave it empty"
        ))
    };
    if let Some(loopback) = url.strip_prefix("http://127.0.0.1:") {
        return Ok(("127.0.0.1".into(), loopback.parse().map_err(|_| elsewhere())?, None));
    }
    let host = url.strip_prefix("https://").map(|host| host.trim_end_matches('/')).ok_or_else(elsewhere)?;
    let is_there = host.ends_with(".amazonaws.com") && host.split('.').any(|label| label == region);
    if !is_there || !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')) {
        return Err(elsewhere());
    }
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| fault("TLS can't be set up"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((host.to_owned(), 443, Some(Arc::new(config))))
}

fn decoded(answer: &Value, name: &str) -> Result<Zeroizing<Vec<u8>>, WrappingFault> {
    let text = answer.get(name).and_then(Value::as_str);
    let bytes = text.and_then(|text| BASE64.decode(text.as_bytes()).ok());
    bytes.map(Zeroizing::new).ok_or_else(|| fault(format!("the answer has no {name}")))
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn mac(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 32]> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Zeroizing::new([0; 32]) };
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_lies_in_the_keys_own_region() {
        let host =
            |endpoint: &str| place(endpoint, "ap-northeast-1").map(|(host, port, _)| (host, port)).ok();
        assert_eq!(host(""), Some(("kms.ap-northeast-1.amazonaws.com".into(), 443)));
        let private = "vpce-0a-1b.kms.ap-northeast-1.vpce.amazonaws.com";
        assert_eq!(host(&format!("https://{private}/")), Some((private.into(), 443)));
        assert_eq!(host("http://127.0.0.1:5000"), Some(("127.0.0.1".into(), 5000)));
        for elsewhere in [
            "https://kms.us-east-1.amazonaws.com",
            "https://kms.ap-northeast-1.amazonaws.com.example",
            "https://kms.ap-northeast-1.example",
            "https://ap-northeast-1.example/x.amazonaws.com",
            "http://kms.ap-northeast-1.amazonaws.com",
            "http://192.0.2.1:80",
            "ftp://127.0.0.1:1",
        ] {
            assert_eq!(host(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_is_none() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(
            read_answer(answer).map(|(status, body)| (status, body.to_vec())),
            Some((200, b"{}".to_vec()))
        );
        for length in 0..answer.len() {
            assert!(read_answer(&answer[..length]).is_none(), "{length}");
        }
    }
}
