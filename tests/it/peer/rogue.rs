//! An OpenID provider that does as a test says: it signs what it is told to, with what it is told to, or does not answer as it should.
//!
//! Rules: a code is good once, for who has its verifier (RFC 7636 §4.6) and the client's secret.

use anshin::mail::Timestamp;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it does when it is asked for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Good,
    /// It signs with a key that it does not publish, under a name that it does.
    WrongKey,
    /// It does not sign.
    None,
    /// It signs with the public key as a shared secret.
    Shared,
    /// The answer has 64 MiB.
    Huge,
    /// An octet of it comes, and then nothing.
    Silent,
    /// It sends elsewhere.
    Elsewhere,
    /// It answers with no JSON.
    Nonsense,
    /// The connection ends before an answer.
    Gone,
}

struct Kept {
    manner: Manner,
    /// The challenge and the claims of each code.
    codes: HashMap<String, (String, Value)>,
    /// Changes of its discovery document.
    document: Value,
    /// Those that it publishes, and others.
    keys: [Keys; 2],
    /// Paths that were asked for.
    asked: Vec<String>,
}

struct Keys {
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Keys {
    fn new() -> Self {
        Self {
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }
}

/// It listens until the process ends.
pub struct Rogue {
    pub issuer: String,
    secret: String,
    kept: Arc<Mutex<Kept>>,
}

impl Rogue {
    pub fn start(secret: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let kept = Kept {
            manner: Manner::Good,
            codes: HashMap::new(),
            document: json!({}),
            keys: [Keys::new(), Keys::new()],
            asked: Vec::new(),
        };
        let rogue = Self { issuer, secret: secret.to_owned(), kept: Arc::new(Mutex::new(kept)) };
        let (kept, issuer, secret) = (rogue.kept.clone(), rogue.issuer.clone(), rogue.secret.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, issuer, secret) = (kept.clone(), issuer.clone(), secret.clone());
                std::thread::spawn(move || serve(stream, &kept, &issuer, &secret));
            }
        });
        rogue
    }

    pub fn behave(&self, manner: Manner) {
        self.kept.lock().unwrap().manner = manner;
    }

    /// Says something else of itself.
    pub fn says(&self, document: Value) {
        self.kept.lock().unwrap().document = document;
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.kept.lock().unwrap().asked.iter().filter(|asked| *asked == path).count()
    }

    /// Somebody signed in: a code for these claims, beside those that every token has.
    pub fn code(&self, nonce: &str, challenge: &str, more: &Value) -> String {
        let now = Timestamp::now().as_millis() / 1000;
        let mut claims = json!({ "iss": self.issuer, "aud": "menu", "nonce": nonce, "iat": now, "exp": now + 60, "auth_time": now });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut kept = self.kept.lock().unwrap();
        let code = format!("code-{}/+{}", kept.codes.len(), BASE64.encode(challenge.as_bytes()));
        kept.codes.insert(code.clone(), (challenge.to_owned(), claims));
        code
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Kept>, issuer: &str, secret: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).is_err() {
        return;
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut authorization) = (0, String::new());
    for line in reader.by_ref().lines().map_while(Result::ok) {
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.trim().clone_into(&mut authorization);
            }
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let body = String::from_utf8(body).unwrap();
    let mut kept = kept.lock().unwrap();
    kept.asked.push(path.clone());
    let (status, answer) = match path.as_str() {
        "/.well-known/openid-configuration" => (200, document(issuer, &kept.document)),
        "/keys" => (200, key_set(&kept.keys[0])),
        "/token" => {
            let right = format!("Basic {}", BASE64.encode(format!("menu:{secret}").as_bytes()));
            assert_eq!(authorization, right);
            match token(&mut kept, &body) {
                Some(token) => {
                    (200, json!({ "access_token": "a", "token_type": "Bearer", "id_token": token }))
                }
                None => (400, json!({ "error": "invalid_grant" })),
            }
        }
        _ => (404, json!({})),
    };
    let manner = if path == "/token" { kept.manner } else { Manner::Good };
    drop(kept);
    answer_as(stream, manner, status, &answer.to_string());
}

fn answer_as(mut stream: TcpStream, manner: Manner, status: u16, body: &str) {
    let head = |kind: &str, length: usize| {
        format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")
    };
    // Whoever hangs up is right to.
    let _ = match manner {
        Manner::Huge => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
            (0..1024).try_for_each(|_| stream.write_all(&[b' '; 64 * 1024]))
        }
        Manner::Silent => {
            let _ = stream.write_all(b"H");
            // Until the other side has had enough of it.
            stream.read(&mut [0; 16]).map(|_| ())
        }
        Manner::Elsewhere => stream
            .write_all(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/token\r\nContent-Length: 0\r\n\r\n"),
        Manner::Nonsense => stream.write_all(format!("{}<html></html>", head("text/html", 13)).as_bytes()),
        Manner::Gone => Ok(()),
        Manner::Good | Manner::WrongKey | Manner::None | Manner::Shared => {
            stream.write_all(format!("{}{body}", head("application/json", body.len())).as_bytes())
        }
    };
}

fn document(issuer: &str, changes: &Value) -> Value {
    let mut document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn key_set(keys: &Keys) -> Value {
    let point = keys.ec.public_key().as_ref();
    let text = |octets: &[u8]| BASE64URL_NOPAD.encode(octets);
    json!({ "keys": [
        { "kty": "EC", "kid": "ec", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]) },
        { "kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": text(keys.ed.public_key().as_ref()) },
    ] })
}

fn token(kept: &mut Kept, body: &str) -> Option<String> {
    let field = |name: &str| {
        let value = body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().replace("%2F", "/").replace("%2B", "+").replace("%3D", "=")
    };
    let (challenge, claims) = kept.codes.remove(&field("code"))?;
    let own = BASE64URL_NOPAD.encode(&Sha256::digest(field("code_verifier").as_bytes()));
    if own != challenge {
        return None;
    }
    let [keys, others] = &kept.keys;
    let head = match kept.manner {
        Manner::None => json!({ "alg": "none" }),
        Manner::Shared => json!({ "alg": "HS256", "kid": "ec" }),
        _ => json!({ "alg": "ES256", "kid": "ec" }),
    };
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&head), part(&claims));
    let sign = |keys: &Keys| keys.ec.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec();
    let signature = match kept.manner {
        Manner::WrongKey => sign(others),
        Manner::None => Vec::new(),
        Manner::Shared => {
            let mut mac = Hmac::<Sha256>::new_from_slice(keys.ec.public_key().as_ref()).unwrap();
            mac.update(signed.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        _ => sign(keys),
    };
    Some(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}
