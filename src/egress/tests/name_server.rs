//! A name server on UDP. Its zone is text: `name TYPE data`, where data may be `SERVFAIL`, `SILENCE` or `REFERRAL`
//! instead. A name with other records only has no data; any other name does not exist.

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

pub struct NameServer {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl NameServer {
    pub async fn start(zone: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone: Vec<[String; 3]> = zone
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let mut words = line.trim().splitn(3, ' ').map(str::to_owned);
                std::array::from_fn(|_| words.next().unwrap())
            })
            .collect();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                if let Some(answer) = answer(&zone, &buffer[..length]) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, task }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(zone: &[[String; 3]], query: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).unwrap();
    let question = query.queries[0].clone();
    let name = question.name().to_ascii().trim_end_matches('.').to_lowercase();
    let kind = question.query_type().to_string();
    let mut reply = query.clone().into_response();
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.recursion_available = true;
    let record = |data| Record::from_rdata(question.name().clone(), 60, data);
    let absolute = |text: &str| Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap();
    let soa = SOA::new(absolute("ns.example"), absolute("root.example"), 1, 1, 1, 1, 1);
    let known = zone.iter().any(|[owner, ..]| *owner == name);
    for [_, _, data] in zone.iter().filter(|[owner, of, _]| *owner == name && (*of == kind || of == "CNAME"))
    {
        let data = match (data.as_str(), kind.as_str()) {
            ("SERVFAIL", _) => {
                reply.metadata.response_code = ResponseCode::ServFail;
                break;
            }
            ("SILENCE", _) => return None,
            ("REFERRAL", _) => {
                reply.add_authority(record(RData::NS(NS(absolute("ns.elsewhere.example")))));
                return reply.to_vec().ok();
            }
            (data, "A") => RData::A(A(data.parse().unwrap())),
            (data, "AAAA") => RData::AAAA(AAAA(data.parse().unwrap())),
            (data, "TXT") => RData::TXT(TXT::new(data.split('|').map(str::to_owned).collect())),
            (data, "PTR") => RData::PTR(PTR(absolute(data))),
            (data, "MX") if data.contains(' ') => {
                let (preference, host) = data.split_once(' ').unwrap();
                let host = if host == "." { Name::root() } else { absolute(host) };
                RData::MX(MX::new(preference.parse().unwrap(), host))
            }
            (data, _) => RData::CNAME(CNAME(absolute(data))),
        };
        reply.add_answer(record(data));
    }
    if reply.answers.is_empty() && reply.metadata.response_code == ResponseCode::NoError {
        reply.add_authority(record(RData::SOA(soa)));
        if !known {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
    }
    reply.to_vec().ok()
}
