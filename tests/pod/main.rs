//! A small program for pods of tests: waits, answers, looks up names. It uses the standard library alone.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "what a pod prints is read by the test")]

use std::env;
use std::io::{self, Write as _};
use std::net::{TcpListener, ToSocketAddrs as _};
use std::process::ExitCode;
use std::thread;

const USAGE: &str = "usage: loka-pod [sleep | serve PORT | resolve HOST:PORT]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        // The container that holds the name spaces of a pod does nothing for as long as the pod lives.
        [] | ["sleep"] => loop {
            thread::park();
        },
        ["serve", port] => serve(port),
        ["resolve", name] => resolve(name),
        _ => Err(io::Error::other(USAGE)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells everyone who connects the name of this pod.
fn serve(port: &str) -> io::Result<()> {
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let name = env::var("HOSTNAME").unwrap_or_default();
    for stream in TcpListener::bind(("0.0.0.0", port))?.incoming() {
        // Who has left already does not want to know.
        let _told = stream.and_then(|mut stream| writeln!(stream, "{name}"));
    }
    Ok(())
}

fn resolve(name: &str) -> io::Result<()> {
    for address in name.to_socket_addrs()? {
        println!("{address}");
    }
    Ok(())
}
