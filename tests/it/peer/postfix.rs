//! Postfix as the mail server of a mailbox provider: a private instance with its own configuration, queue and log.
//!
//! Rules: it takes mail for every local part of one domain, except `nobody` (550 5.1.1) and `full` (452 4.2.2), and
//! puts it into a Maildir; what goes elsewhere it sends to one next hop, so that a customer can write outward through it. It listens on one loopback port, offers
//! STARTTLS, and keeps that port over stop and start. Needs root, as Postfix does.
//! When it fails: the test panics with Postfix's log.

use super::{HOW_TO_RUN, Scratch, eventually};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

/// Owner of the delivered mail: `nobody` on Debian.
const MAILBOX_UID: u32 = 65534;

/// A Postfix instance; stopped and removed when dropped.
pub struct Postfix {
    scratch: Scratch,
    domain: String,
    address: SocketAddr,
    running: bool,
}

impl Postfix {
    /// Starts an instance for `domain`. Mail for other domains goes to `outward`, or stays deferred without one.
    pub fn start(domain: &str, outward: Option<SocketAddr>) -> Self {
        // Postfix cannot choose a port itself; another process may take the one we found, so try again.
        for _ in 0..3 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let scratch = Scratch::new("postfix");
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut postfix = Self { scratch, domain: domain.to_owned(), address, running: false };
            postfix.write_configuration(outward);
            if postfix.run("start") {
                postfix.running = true;
                return postfix;
            }
            eprintln!("postfix did not start on port {port}:\n{}", postfix.log());
        }
        panic!("postfix does not start; {HOW_TO_RUN}, as root");
    }

    /// Starts an instance for `domain` at this address and port, which must be free.
    pub fn start_at(domain: &str, address: SocketAddr) -> Self {
        let mut postfix =
            Self { scratch: Scratch::new("postfix"), domain: domain.to_owned(), address, running: false };
        postfix.write_configuration(None);
        assert!(postfix.run("start"), "postfix does not start; {HOW_TO_RUN}, as root\n{}", postfix.log());
        postfix.running = true;
        postfix
    }

    /// Where it speaks SMTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it; mail already delivered and queued stays.
    pub fn stop(&mut self) {
        assert!(self.run("stop"), "postfix does not stop:\n{}", self.log());
        self.running = false;
    }

    /// Starts it again on the same port.
    pub fn start_again(&mut self) {
        assert!(self.run("start"), "postfix does not start again:\n{}", self.log());
        self.running = true;
    }

    /// Tries everything in the queue now.
    pub fn flush(&self) {
        assert!(self.run("flush"), "postfix does not flush:\n{}", self.log());
    }

    /// The delivered mails of `local@domain`, oldest first, byte for byte as Postfix wrote them (lines end in LF,
    /// `Return-Path`, `Delivered-To` and `Received` in front).
    pub fn mails(&self, local: &str) -> Vec<Vec<u8>> {
        // Postfix's virtual(8) makes no path from an address, so all mail lies in one Maildir.
        let maildir = self.scratch.path().join("mail/inbox/new");
        let mut files: Vec<PathBuf> =
            fs::read_dir(maildir).into_iter().flatten().map(|e| e.unwrap().path()).collect();
        files.sort_by_key(|path| fs::metadata(path).and_then(|m| m.modified()).unwrap());
        let address = format!("\nDelivered-To: {local}@{}\n", self.domain);
        let is_theirs = |mail: &Vec<u8>| String::from_utf8_lossy(mail).contains(&address);
        files.iter().map(|path| fs::read(path).unwrap()).filter(is_theirs).collect()
    }

    /// The mails of `local@domain` once there are at least `count` of them.
    pub fn wait_for_mails(&self, local: &str, count: usize) -> Vec<Vec<u8>> {
        eventually(&format!("{count} mails for {local}; log:\n{}", self.log()), || {
            Some(self.mails(local)).filter(|mails| mails.len() >= count)
        })
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read(self.scratch.path().join("mail.log"))
            .map(|b| String::from_utf8_lossy(&b).into_owned())
            .unwrap_or_default()
    }

    /// PEM file of its certificate, which names `mx.DOMAIN`: the root for `tls = "verify"`.
    pub fn certificate(&self) -> PathBuf {
        self.scratch.path().join("conf/certificate.pem")
    }

    /// Shows another certificate from the next session on.
    pub fn use_certificate(&self, certificate: &str, key: &str) {
        fs::write(self.certificate(), certificate).unwrap();
        fs::write(self.scratch.path().join("conf/key.pem"), key).unwrap();
        assert!(self.run("reload"), "postfix does not reload:\n{}", self.log());
    }

    fn run(&self, verb: &str) -> bool {
        let conf = self.scratch.path().join("conf");
        let output = Command::new("/usr/sbin/postfix").arg("-c").arg(conf).arg(verb).output();
        let output = output.unwrap_or_else(|fault| panic!("/usr/sbin/postfix: {fault}; {HOW_TO_RUN}"));
        if !output.status.success() {
            eprintln!("postfix {verb}: {}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    }

    fn write_configuration(&self, outward: Option<SocketAddr>) {
        let dir = self.scratch.path();
        // The data directory must be owned by Postfix, which makes it itself.
        for name in ["conf", "queue", "mail"] {
            fs::create_dir(dir.join(name)).unwrap();
        }
        chown(dir.join("mail"), Some(MAILBOX_UID), Some(MAILBOX_UID))
            .unwrap_or_else(|fault| panic!("{fault}; {HOW_TO_RUN}, as root"));
        let name = format!("mx.{}", self.domain);
        let made = rcgen::generate_simple_self_signed(vec![name.clone()]).unwrap();
        fs::write(dir.join("conf/certificate.pem"), made.cert.pem()).unwrap();
        fs::write(dir.join("conf/key.pem"), made.signing_key.serialize_pem()).unwrap();
        let access = "/^nobody@/ 550 5.1.1 User unknown\n/^full@/ 452 4.2.2 Mailbox full\n";
        fs::write(dir.join("conf/recipients"), access).unwrap();
        fs::write(dir.join("conf/master.cf"), master_cf(self.address)).unwrap();
        let outward = match outward {
            Some(next_hop) => format!("[{}]:{}", next_hop.ip(), next_hop.port()),
            None => String::new(),
        };
        let default_transport =
            if outward.is_empty() { "retry:4.4.1 no next hop in this test" } else { "smtp" };
        let (dir, domain, interface) = (dir.display(), &self.domain, self.address.ip());
        let main_cf = format!(
            "compatibility_level = 3.6\n\
             queue_directory = {dir}/queue\n\
             data_directory = {dir}/data\n\
             maillog_file = {dir}/mail.log\n\
             maillog_file_prefixes = {dir}\n\
             myhostname = {name}\n\
             mydestination =\n\
             alias_maps =\n\
             alias_database =\n\
             local_recipient_maps =\n\
             append_dot_mydomain = no\n\
             inet_interfaces = {interface}\n\
             inet_protocols = ipv4\n\
             mynetworks = 127.0.0.0/8\n\
             smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n\
             smtpd_recipient_restrictions = check_recipient_access regexp:{dir}/conf/recipients\n\
             smtpd_peername_lookup = no\n\
             smtpd_tls_security_level = may\n\
             smtpd_tls_chain_files = {dir}/conf/key.pem, {dir}/conf/certificate.pem\n\
             smtp_tls_security_level = may\n\
             smtputf8_enable = yes\n\
             message_size_limit = 52428800\n\
             virtual_mailbox_limit = 0\n\
             virtual_mailbox_domains = {domain}\n\
             virtual_mailbox_base = {dir}/mail\n\
             virtual_mailbox_maps = static:inbox/\n\
             virtual_uid_maps = static:{MAILBOX_UID}\n\
             virtual_gid_maps = static:{MAILBOX_UID}\n\
             default_transport = {default_transport}\n\
             relayhost = {outward}\n\
             disable_dns_lookups = yes\n\
             smtp_host_lookup = native\n\
             in_flow_delay = 0\n\
             queue_run_delay = 2s\n\
             minimal_backoff_time = 2s\n\
             maximal_backoff_time = 4s\n"
        );
        fs::write(self.scratch.path().join("conf/main.cf"), main_cf).unwrap();
    }
}

/// The services; none in a chroot, since there is none.
fn master_cf(address: SocketAddr) -> String {
    let mut services = format!("{address} inet n - n - - smtpd\n");
    services.push_str(
        "pickup unix n - n 60 1 pickup\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         verify unix - - n - 1 verify\n\
         flush unix n - n 1000? 0 flush\n\
         proxymap unix - - n - - proxymap\n\
         smtp unix - - n - - smtp\n\
         showq unix n - n - - showq\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n\
         virtual unix - n n - - virtual\n\
         anvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\n\
         postlog unix-dgram n - n - 1 postlogd\n",
    );
    services
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if self.running {
            self.run("stop");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::swaks;
    use super::*;

    const MAIL: &str = "From: Mise <mise@store.example>\nTo: Hana <hana@mailbox.example>\n\
        Subject: Your order\nMessage-ID: <1@store.example>\n\nIt is on its way.\n.a line with a dot\n";

    #[test]
    fn mail_reaches_the_mailbox_also_after_a_stop_and_a_start() {
        let mut postfix = Postfix::start("mailbox.example", None);
        let send = |address| swaks::send(address, "mise@store.example", &["hana@mailbox.example"], MAIL, &[]);
        assert!(send(postfix.address()).accepted());
        let mail = String::from_utf8(postfix.wait_for_mails("hana", 1).remove(0)).unwrap();
        assert!(mail.contains("Delivered-To: hana@mailbox.example\n"), "{mail}");
        assert!(mail.ends_with("\n\nIt is on its way.\n.a line with a dot\n"), "{mail}");

        let unknown =
            swaks::send(postfix.address(), "mise@store.example", &["nobody@mailbox.example"], MAIL, &[]);
        assert!(unknown.transcript.contains("550 5.1.1 <nobody@mailbox.example>"), "{}", unknown.transcript);

        postfix.stop();
        let refused = send(postfix.address());
        assert!(!refused.accepted(), "{}", refused.transcript);
        postfix.start_again();
        let root = format!("--tls-ca-path={}", postfix.certificate().display());
        let options = ["--tls", "--tls-verify", &root];
        let over_tls =
            swaks::send(postfix.address(), "mise@store.example", &["hana@mailbox.example"], MAIL, &options);
        assert!(over_tls.accepted(), "{}", over_tls.transcript);
        assert_eq!(postfix.wait_for_mails("hana", 2).len(), 2);
    }

    #[test]
    fn mail_for_elsewhere_waits_for_the_next_hop_and_goes_out() {
        let mut elsewhere = Postfix::start("elsewhere.example", None);
        let customer = Postfix::start("mailbox.example", Some(elsewhere.address()));
        elsewhere.stop();
        let sent =
            swaks::send(customer.address(), "hana@mailbox.example", &["mise@elsewhere.example"], MAIL, &[]);
        assert!(sent.accepted(), "{}", sent.transcript);
        eventually("a deferral in the log", || customer.log().contains("status=deferred").then_some(()));
        elsewhere.start_again();
        customer.flush();
        assert_eq!(elsewhere.wait_for_mails("mise", 1).len(), 1);
    }
}
