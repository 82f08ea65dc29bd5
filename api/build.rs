//! Generates the messages and the service of `proto/control.proto`, without an installed protoc.

use std::error::Error;

const PROTO: &str = "proto/control.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let descriptors = protox::compile([PROTO], ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
