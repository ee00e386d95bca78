//! Inverted dropout (Srivastava et al. 2014).

/// `keep ? x × scale : +0`; forward and backward alike. The mask comes from the random streams.
///
/// # Panics
/// If lengths do not fit.
pub fn apply(x: &[f32], keep: &[bool], scale: f32, y: &mut [f32]) {
    assert_eq!((x.len(), keep.len()), (y.len(), y.len()));
    for ((&x, &keep), y) in x.iter().zip(keep).zip(y) {
        *y = if keep { x * scale } else { 0.0 };
    }
}
