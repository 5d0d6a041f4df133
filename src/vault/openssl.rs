//! The system's OpenSSL, which SQLCipher and the modules of tokens bring into the process.
//!
//! When it fails: where OpenSSL can't begin, what needs it says so itself.

/// Goes before whatever may be the first to use OpenSSL: it stays until the process is gone. Else it would take itself down at
/// `exit`, where a connection's thread may still be closing a file and a token's module still ends its sessions, and crash.
pub fn keep_openssl() {
    openssl_sys::init();
}
