//! The token of every term is greater than those of all terms before it, of any candidate (SAFETY 19).

use leaderelection::election::{Output, TermChange};

use super::{Fact, Invariant, Scene};

pub(super) struct TokensGrow {
    greatest: u64,
}

impl TokensGrow {
    pub(super) fn new(_candidates: usize) -> Self {
        Self { greatest: 0 }
    }
}

impl Invariant for TokensGrow {
    fn judge(&mut self, _scene: &Scene<'_>, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Said {
            who,
            output: Output::Term(TermChange::Start { token, .. }),
            ..
        } = fact
        else {
            return Ok(());
        };
        let before = self.greatest;
        self.greatest = before.max(token.get());
        if token.get() <= before {
            return Err(format!(
                "c{who} starts with token {token} after a term with token {before}"
            ));
        }
        Ok(())
    }
}
