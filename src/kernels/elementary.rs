//! Exponential and logarithm as fixed polynomials: the platform's have no defined bits.

const EXP_LOWEST: f32 = -104.0;
/// 1.5 · 2^23: adding it rounds to a whole number.
const ROUNDER: f32 = 12_582_912.0;
const ROUNDER_BITS: i32 = 0x4B40_0000;
const LOG2_E: u32 = 0x3FB8_AA3B;
const LN_2_HIGH: u32 = 0x3F31_7218;
const LN_2_LOW: u32 = 0xB102_E308;
const EXP: [u32; 5] = [
    0x3AB5_68B0,
    0x3C09_1F98,
    0x3D2A_AC27,
    0x3E2A_AA45,
    0x3EFF_FFFE,
];
/// Bits of √½.
const SQRT_HALF_BITS: i32 = 0x3F35_04F3;
const LOG: [u32; 9] = [
    0x3D90_21BB,
    0xBDEB_D1B8,
    0x3DEF_251A,
    0xBDFE_5D4F,
    0x3E11_E9BF,
    0xBE2A_AE50,
    0x3E4C_CEAC,
    0xBE7F_FFFC,
    0x3EAA_AAAA,
];

/// A polynomial, highest coefficient first.
fn polynomial(coefficients: &[u32], x: f32) -> f32 {
    let (first, rest) = coefficients
        .split_first()
        .map_or((0, [].as_slice()), |(f, r)| (*f, r));
    rest.iter()
        .fold(f32::from_bits(first), |sum, &coefficient| {
            sum.mul_add(x, f32::from_bits(coefficient))
        })
}

/// 2^e as a float, for normal results.
fn power_of_two(e: i32) -> f32 {
    f32::from_bits(((e + 127) << 23) as u32)
}

/// e^x for x ≤ 0; largest error 1.012 ulp.
pub fn exp_neg(x: f32) -> f32 {
    let x = if x > EXP_LOWEST { x } else { EXP_LOWEST };
    let t = x.mul_add(f32::from_bits(LOG2_E), ROUNDER);
    let n = t - ROUNDER;
    let r = n.mul_add(-f32::from_bits(LN_2_HIGH), x);
    let r = n.mul_add(-f32::from_bits(LN_2_LOW), r);
    let p = polynomial(&EXP, r);
    let y = (r * r).mul_add(p, r) + 1.0;
    let k = t.to_bits() as i32 - ROUNDER_BITS;
    // Two factors, so that subnormal results are rounded once.
    let a = k >> 1;
    let b = k - a;
    (y * power_of_two(a)) * power_of_two(b)
}

/// ln(1 + t) for 0 ≤ t < 2^100; largest error 1.430 ulp.
pub fn log1p(t: f32) -> f32 {
    let u = t + 1.0;
    let k = (u.to_bits() as i32 - SQRT_HALF_BITS) >> 23;
    let h = power_of_two(-k);
    let f = t.mul_add(h, h - 1.0);
    let p = polynomial(&LOG, f);
    let q = p.mul_add(f, -0.5);
    let y = (f * f).mul_add(q, k as f32 * f32::from_bits(LN_2_LOW));
    (k as f32).mul_add(f32::from_bits(LN_2_HIGH), f + y)
}
