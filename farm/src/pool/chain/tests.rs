use std::collections::BTreeSet;

use bitcoin::{Transaction, TxMerkleNode, consensus, merkle_tree};

use super::super::coinbase::COINBASE_BYTES_MAX;
use super::*;
use crate::judge::IssuedJob;

fn chain(seed: u64) -> Chain {
    let settings = PoolSettings { branches_max: 16, ..PoolSettings::new("pool-a", seed) };
    Chain::new(&settings)
}

/// A hundred templates over twenty blocks.
fn works(seed: u64, extranonce_bytes: usize) -> Vec<Work> {
    let mut chain = chain(seed);
    (0..100)
        .map(|step| {
            if step % 5 == 0 {
                chain.advance(None);
            }
            chain.template(1_700_000_000 + step).work(extranonce_bytes).as_ref().clone()
        })
        .collect()
}

#[test]
fn every_coinbase_is_a_transaction_of_at_most_250_bytes_whatever_the_extranonces() {
    for (seed, extranonce_bytes) in [(1, 2), (2, 12), (3, 32)] {
        for work in works(seed, extranonce_bytes) {
            let extranonces = vec![0xab; extranonce_bytes];
            let bytes = [work.coinb1.as_slice(), &extranonces, &work.coinb2].concat();
            assert!(bytes.len() <= COINBASE_BYTES_MAX, "{} bytes", bytes.len());
            let coinbase: Transaction = consensus::deserialize(&bytes).expect("a transaction");
            assert!(coinbase.is_coinbase());
            assert!(coinbase.input[0].script_sig.len() <= 100);
            assert_eq!(coinbase.output.last().expect("outputs").value.to_sat(), 0);
        }
    }
}

#[test]
fn templates_vary_in_all_that_a_miner_must_follow() {
    let works = works(5, 12);
    let distinct = |of: fn(&Work) -> String| works.iter().map(of).collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(|work| format!("{:?}", work.coinb1)), works.len());
    assert_eq!(distinct(|work| work.prev_block.to_string()), 20);
    assert_eq!(distinct(|work| work.branches.len().to_string()), 17);
    assert!(distinct(|work| work.coinb1.len().to_string()) >= 4);
    assert!(distinct(|work| work.coinb2.len().to_string()) >= 2);
    assert!(distinct(|work| work.nbits.to_string()) >= 3);
    let rolled = works.iter().filter(|work| work.version & BIP320_MASK != 0).count();
    assert!((5..60).contains(&rolled), "{rolled} versions with bits inside the mask");
}

#[test]
fn the_branches_of_a_tree_lead_to_the_root_that_bitcoin_computes() {
    let coinbase: [u8; 32] = [7; 32];
    let mut chain = chain(9);
    for count in 0..40 {
        let transactions: Vec<[u8; 32]> = (0..count).map(|_| drawn(&mut chain.random)).collect();
        let leaves = std::iter::once(coinbase).chain(transactions.clone());
        let root = merkle_tree::calculate_root(leaves.map(TxMerkleNode::from_byte_array));
        let folded = merkle_branches(transactions)
            .into_iter()
            .fold(coinbase, |left, right| parent(&[left, right]).expect("two children"));
        assert_eq!(root.expect("a root").to_byte_array(), folded, "{count} transactions");
    }
}

#[test]
fn a_tree_has_as_many_levels_as_were_drawn() {
    let mut chain = chain(11);
    for levels in 0..=HASHED_LEVELS_MAX {
        for _ in 0..20 {
            let transactions = chain.drawn_transactions(levels);
            assert_eq!(merkle_branches(transactions).len(), usize::from(levels));
        }
    }
}

#[test]
fn a_found_block_is_the_previous_block_of_the_next_template() {
    let mut chain = chain(13);
    let height = chain.height;
    let hash = BlockHash::from_byte_array([3; 32]);
    chain.advance(Some(hash));
    assert_eq!(chain.template(0).work(12).prev_block, hash);
    assert_eq!(chain.height, height + 1);
}

#[test]
fn the_network_difficulty_can_be_chosen() {
    let chosen: Difficulty = "0.5".parse().expect("a difficulty");
    let settings =
        PoolSettings { network_difficulty: Some(chosen), ..PoolSettings::new("pool-a", 1) };
    let mut chain = Chain::new(&settings);
    let nbits = bitcoin::CompactTarget::from_consensus(chain.template(0).work(12).nbits);
    let difficulty = bitcoin::Target::from_compact(nbits).difficulty_float();
    assert!((0.47..0.53).contains(&difficulty), "{difficulty}");
}

#[test]
fn jobs_are_a_function_of_the_seed() {
    assert_eq!(works(1, 12), works(1, 12));
    assert_ne!(works(1, 12), works(2, 12));
}

#[test]
fn the_halves_hold_the_extranonces_where_the_judge_puts_them() {
    let work = chain(17).template(0).work(12);
    let difficulty = Difficulty::ONE;
    let job = IssuedJob { work, extranonce1: vec![0xaa; 4], extranonce2_size: 8, difficulty };
    let coinbase = job.coinbase(&[0xbb; 8]).expect("a transaction");
    let script = coinbase.input[0].script_sig.as_bytes();
    let placed = [[0xaa; 4].as_slice(), &[0xbb; 8]].concat();
    assert!(script.windows(12).any(|window| window == placed));
}
