use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From BIP 173 and BIP 350, the genesis block, and the wiki's list of address prefixes.
#[test]
fn an_address_is_the_script_that_the_proposals_say() {
    for (address, script) in [
        (
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "0014751e76e8199196d454941c45d1b3a323f1433bd6",
        ),
        (
            "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
            "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
        ),
        (
            "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
            "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
        ),
        (
            "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
            "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
        ),
        (
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        ),
        (
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
        ),
        ("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87"),
        (
            "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
            "76a914243f1394f44554f4ce3fd68649c19adc483ce92488ac",
        ),
        ("2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc", "a9144e9f39ca4688ff102128ea4ccda34105324305b087"),
    ] {
        assert_eq!(script_of(address).map(|it| hex(&it)).as_deref(), Ok(script), "{address}");
    }
}

/// Regtest has a prefix of its own, and so another checksum for the same script.
#[test]
fn an_address_of_regtest_is_read() {
    let program = [7; 20];
    let address = segwit::encode_v0(bech32::Hrp::parse("bcrt").unwrap(), &program).unwrap();
    assert_eq!(script_of(&address).map(|it| hex(&it)), Ok(format!("0014{}", "07".repeat(20))));
}

/// The invalid ones of BIP 350, and neighbours of the valid ones.
#[test]
fn what_cannot_be_paid_to_is_refused_with_its_reason() {
    use AddressError::{Chain, Checksum, Kind, Syntax};
    for (address, reason) in [
        // One character changed, and two exchanged.
        ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T5", Checksum),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", Checksum),
        ("3P14195f73E4gFr7JterCCQh9QjiTjiZrG", Checksum),
        // Bech32 where Bech32m belongs, and the other way round.
        ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", Checksum),
        ("tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf", Checksum),
        ("BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", Checksum),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", Checksum),
        ("tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47", Checksum),
        // No character of the alphabet, mixed case, padding, nothing in it.
        ("bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", Syntax),
        ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq", Syntax),
        ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf", Syntax),
        ("bc1gmk9yu", Checksum),
        ("", Syntax),
        ("1", Syntax),
        ("acme", Syntax),
        // Valid, and nothing that a wallet of today receives on.
        ("bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y", Kind),
        ("BC1SW50QGDZ25J", Kind),
        ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", Kind),
        ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", Kind),
        ("bc1pw5dgrnzv", Kind),
        // Of another chain.
        ("tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", Syntax),
        ("LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", Chain),
    ] {
        assert_eq!(script_of(address), Err(reason), "{address}");
    }
}
