//! `FILE_CHECK`: what the number in a file says of the real server.

use parser::config::checker::File;

use super::{Reason, Verdict};

/// What a number says, and what it adds to the weight.
pub(crate) fn judge(file: &File, number: i64) -> (Verdict, i64) {
    let bad = Verdict::Bad(Reason::FileNumber(number));
    if file.weight == 0 {
        let good = (number == 0) != file.reverse;
        return (if good { Verdict::Good } else { bad }, 0);
    }
    let product = number.saturating_mul(file.weight.into());
    let product = if file.reverse {
        product.saturating_neg()
    } else {
        product
    };
    // keepalived: a product of -2147483648 and below takes the real server down.
    if product <= i64::from(i32::MIN) {
        (bad, 0)
    } else {
        (Verdict::Good, product)
    }
}
