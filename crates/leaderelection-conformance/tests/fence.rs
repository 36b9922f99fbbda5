//! A register that is protected by fencing tokens (SAFETY 19).

use leaderelection::FencingToken;
use leaderelection_conformance::{FencedRegister, FencedWrite, StaleToken};

#[test]
fn no_write_of_an_old_term_comes_through_after_one_of_a_newer() {
    let register = FencedRegister::new();
    assert_eq!((register.read(), register.newest()), (None, None));
    let token = FencingToken::new;
    let writes = [(3, "a"), (3, "b"), (5, "c"), (3, "late"), (4, "later"), (5, "d")];
    let answers: Vec<_> = writes
        .iter()
        .map(|(number, value)| register.write(token(*number), *value))
        .collect();
    let stale = |offered| {
        Err(StaleToken {
            offered: token(offered),
            newest: token(5),
        })
    };
    assert_eq!(answers, [Ok(()), Ok(()), Ok(()), stale(3), stale(4), Ok(())]);
    assert_eq!(
        (register.clone().read(), register.newest()),
        (Some("d"), Some(token(5)))
    );
    let refusals: Vec<_> = register
        .log()
        .into_iter()
        .filter(|write| !write.accepted)
        .collect();
    let refused = |number, value| FencedWrite {
        token: token(number),
        value,
        accepted: false,
    };
    assert_eq!(refusals, [refused(3, "late"), refused(4, "later")]);
    assert_eq!(
        stale(3).unwrap_err().to_string(),
        "token 3 is older than 5, the newest seen"
    );
}
