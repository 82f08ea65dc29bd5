//! The pool's coinbase transaction, cut where the extranonces go.

use bitcoin::absolute::LockTime;
use bitcoin::script::Builder;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, PubkeyHash, ScriptBuf, Sequence, Transaction, TxIn, TxOut, WPubkeyHash,
    Witness, consensus, hashes::Hash as _,
};

/// Small firmware (NerdMiner) holds no coinbase above 255 bytes; tests hold every job to this.
#[cfg(test)]
pub(super) const COINBASE_BYTES_MAX: usize = 250;

/// The bytes of a transaction before its first script: version, input count, outpoint and the
/// script's length, which is below 253 and so takes one byte.
const BYTES_BEFORE_SCRIPT: usize = 4 + 1 + 36 + 1;

/// What the coinbase of one job says.
#[derive(Clone, Debug)]
pub(super) struct Coinbase {
    pub(super) height: u32,
    /// Makes two jobs of one second differ, and moves the place of the extranonces: its length
    /// varies.
    pub(super) stamp: Vec<u8>,
    pub(super) tag: String,
    pub(super) payouts: Vec<Payout>,
    /// Stands where the commitment to the witnesses would.
    pub(super) commitment: [u8; 32],
    pub(super) lock_time: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Payout {
    pub(super) to: Payee,
    pub(super) amount_sat: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Payee {
    KeyHash([u8; 20]),
    WitnessKeyHash([u8; 20]),
}

// === impl Coinbase ===

impl Coinbase {
    /// The transaction's bytes before and after the extranonces, which take the given room.
    pub(super) fn halves(&self, extranonce_bytes: usize) -> (Vec<u8>, Vec<u8>) {
        let prefix = self.script_prefix();
        let cut = BYTES_BEFORE_SCRIPT + prefix.len();
        let placeholder = vec![0; extranonce_bytes];
        let script = [prefix.as_slice(), &placeholder, self.tag.as_bytes()].concat();
        let bytes = consensus::serialize(&self.transaction(ScriptBuf::from_bytes(script)));
        let coinb1 = bytes.iter().take(cut).copied().collect();
        let coinb2 = bytes.iter().skip(cut + extranonce_bytes).copied().collect();
        (coinb1, coinb2)
    }

    /// BIP34: the height comes first.
    fn script_prefix(&self) -> Vec<u8> {
        let height = Builder::new().push_int(self.height.into()).into_script();
        [height.as_bytes(), &self.stamp].concat()
    }

    fn transaction(&self, script_sig: ScriptBuf) -> Transaction {
        let input = TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::ENABLE_LOCKTIME_NO_RBF,
            witness: Witness::new(),
        };
        let payouts = self.payouts.iter().map(Payout::output);
        let output = payouts.chain([self.commitment_output()]).collect();
        let lock_time = LockTime::from_consensus(self.lock_time);
        Transaction { version: Version::TWO, lock_time, input: vec![input], output }
    }

    /// BIP141's form: OP_RETURN, then 36 bytes that begin with aa21a9ed.
    fn commitment_output(&self) -> TxOut {
        let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], self.commitment.as_slice()].concat();
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) }
    }
}

// === impl Payout ===

impl Payout {
    fn output(&self) -> TxOut {
        let script_pubkey = match self.to {
            Payee::KeyHash(hash) => ScriptBuf::new_p2pkh(&PubkeyHash::from_byte_array(hash)),
            Payee::WitnessKeyHash(hash) => {
                ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(hash))
            }
        };
        TxOut { value: Amount::from_sat(self.amount_sat), script_pubkey }
    }
}
