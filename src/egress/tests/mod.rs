//! Tests with real sockets on loopback: a name server that answers from a zone written in the test, and mail
//! servers that follow a script.

mod attempt;
mod connections;
mod name_server;
mod requiretls;
mod resolve;
mod script;
mod tls;
mod transport;
