//! Bitcoin addresses: base58check and bech32, of the main network and the test networks, to the
//! output script that a coinbase must have. A wrong checksum is refused, never guessed at.

use bech32::{Fe32, segwit};

/// For CEL's `matches`: the alphabets and lengths. [`script_of`] checks the checksum.
pub(crate) const ADDRESS_PATTERN: &str = "^([123mn][1-9A-HJ-NP-Za-km-z]{25,38}|(bc|tb|bcrt)1[02-9ac-hj-np-z]{6,87}|(BC|TB|BCRT)1[02-9AC-HJ-NP-Z]{6,87})$";

const P2PKH_MAIN: u8 = 0x00;
const P2SH_MAIN: u8 = 0x05;
const P2PKH_TEST: u8 = 0x6f;
const P2SH_TEST: u8 = 0xc4;

/// The human-readable parts of the main network, of the public test networks, of regtest.
const NETWORKS: [&str; 3] = ["bc", "tb", "bcrt"];

const OP_0: u8 = 0x00;
const OP_1: u8 = 0x51;
const OP_DUP: u8 = 0x76;
const OP_EQUAL: u8 = 0x87;
const OP_EQUALVERIFY: u8 = 0x88;
const OP_HASH160: u8 = 0xa9;
const OP_CHECKSIG: u8 = 0xac;
const PUSH_20: u8 = 20;
const PUSH_32: u8 = 32;

/// Why a text is not an address that can be paid to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("is no Bitcoin address")]
    Syntax,
    #[error("is no Bitcoin address: its checksum is wrong, so at least one character is")]
    Checksum,
    #[error("is no Bitcoin address, but one of another chain")]
    Chain,
    #[error(
        "is of a kind that no wallet receives on today (only P2PKH, P2SH, P2WPKH, P2WSH, P2TR)"
    )]
    Kind,
}

/// The output script that pays to an address.
pub(crate) fn script_of(address: &str) -> Result<Vec<u8>, AddressError> {
    match address.rsplit_once('1') {
        Some((prefix, _)) if NETWORKS.iter().any(|it| it.eq_ignore_ascii_case(prefix)) => {
            witness_script(address)
        }
        Some(_) | None => hash_script(address),
    }
}

fn witness_script(address: &str) -> Result<Vec<u8>, AddressError> {
    use bech32::primitives::decode::SegwitHrpstringError as Wrong;
    let (_, version, program) = segwit::decode(address).map_err(|error| match error.0 {
        Wrong::Checksum(_) => AddressError::Checksum,
        Wrong::InvalidWitnessVersion(_) | Wrong::WitnessLength(_) => AddressError::Kind,
        _ => AddressError::Syntax,
    })?;
    let (opcode, push) = match (version, program.len()) {
        (Fe32::Q, 20) => (OP_0, PUSH_20),
        (Fe32::Q, 32) => (OP_0, PUSH_32),
        (Fe32::P, 32) => (OP_1, PUSH_32),
        (_, _) => return Err(AddressError::Kind),
    };
    Ok([&[opcode, push], program.as_slice()].concat())
}

fn hash_script(address: &str) -> Result<Vec<u8>, AddressError> {
    let payload = base58ck::decode_check(address).map_err(|error| match error {
        base58ck::Error::IncorrectChecksum(_) => AddressError::Checksum,
        _ => AddressError::Syntax,
    })?;
    let (version, hash) = payload.split_first().ok_or(AddressError::Syntax)?;
    if hash.len() != usize::from(PUSH_20) {
        return Err(AddressError::Syntax);
    }
    match *version {
        P2PKH_MAIN | P2PKH_TEST => {
            Ok([&[OP_DUP, OP_HASH160, PUSH_20], hash, &[OP_EQUALVERIFY, OP_CHECKSIG]].concat())
        }
        P2SH_MAIN | P2SH_TEST => Ok([&[OP_HASH160, PUSH_20], hash, &[OP_EQUAL]].concat()),
        _ => Err(AddressError::Chain),
    }
}

#[cfg(test)]
mod tests;
