//! What changes parameters and what lies between them: folding, optimizers, pool and dropout, at every level and on
//! a device.

use goldrun::kernels::cuda::update::Rule;
use goldrun::kernels::optimizer::{Adam, RmsProp, Sgd};
use goldrun::kernels::{batch_norm, dropout, pool};
use proptest::prelude::*;

use super::Mode::{Activation, Signed};
use super::gpu::Gpu;
use super::on_cuda::{self, Norm, OnDevice};
use super::properties::{cases, channels, check, check_on_cuda};
use super::{data, definition};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn folding(k in 1_usize..150, c in channels(), piece in prop::sample::select(vec![9, 64])) {
        folding_case(k, c, piece);
    }

    #[test]
    fn optimizers(n in 1_usize..200, has_momentum: bool, nesterov: bool) {
        optimizer_case(n, if has_momentum { 0.9 } else { 0.0 }, nesterov);
    }

    #[test]
    fn pooling_and_dropout(pixels in 1_usize..40, c in channels()) {
        pool_case(pixels, c);
    }
}

fn folding_case(k: usize, c: usize, piece: usize) {
    let w = data(k * c, 1, Signed);
    let [gamma, beta, mean, db] = [2, 3, 4, 7].map(|seed| data(c, seed, Signed));
    let inverse = data(c, 5, Activation);
    check(
        &definition::fold(&w, &gamma, &beta, &mean, &inverse),
        |level| {
            let mut folded = vec![f32::NAN; k * c];
            let mut bias = vec![f32::NAN; c];
            let mut scale = vec![f32::NAN; c];
            batch_norm::scale(&gamma, &inverse, &mut scale);
            batch_norm::scale_rows(level, &w, &scale, &mut folded);
            batch_norm::bias(level, &mean, &scale, &beta, &mut bias);
            [folded, bias].concat()
        },
    );
    let norm = Norm {
        w: &w,
        gamma: &gamma,
        beta: &beta,
        mean: &mean,
        inverse: &inverse,
        piece,
    };
    check_on_cuda(
        &definition::fold(&w, &gamma, &beta, &mean, &inverse),
        |gpu| {
            let mut layer = OnDevice::new(gpu, &norm);
            layer.step(Rule::NONE, 0.0, None);
            layer.folded()
        },
    );
    let gradient = data(k * c, 6, Signed);
    let expected = definition::fold_gradients(&gradient, &w, &db, &mean, &inverse, &gamma, piece);
    check(&expected, |level| {
        let (mut dw, mut dgamma) = (vec![f32::NAN; k * c], vec![f32::NAN; c]);
        let mut scale = vec![f32::NAN; c];
        batch_norm::scale(&gamma, &inverse, &mut scale);
        batch_norm::scale_rows(level, &gradient, &scale, &mut dw);
        let to = &mut dgamma;
        batch_norm::gamma_gradient(level, &gradient, &w, &db, &mean, &inverse, piece, to);
        [dw, dgamma].concat()
    });
    // A step of plain gradient descent on all of it.
    let rate = 0.5;
    let step = |values: &[f32], gradients: &[f32]| -> Vec<f32> {
        let steps = values.iter().zip(gradients);
        steps
            .map(|(&w, &g)| definition::sgd([w, 0.0], g, rate, 0.0, false)[0])
            .collect()
    };
    let new_w = step(&w, &expected[..k * c]);
    let new_gamma = step(&gamma, &expected[k * c..]);
    let new_beta = step(&beta, &db);
    let folded = definition::fold(&new_w, &new_gamma, &new_beta, &mean, &inverse);
    let transposed = definition::transposed(&folded[..k * c], c);
    let expected = [new_w, new_gamma, new_beta, folded, transposed].concat();
    check_on_cuda(&expected, |gpu| {
        let mut layer = OnDevice::new(gpu, &norm);
        layer.step(Rule::NONE, 0.0, None);
        let sgd = Sgd::new(f64::from(rate), 0.0, false);
        layer.step(Rule::from(&sgd), 0.0, Some([&gradient, &db]));
        let parts = [layer.layer.kernel, layer.gamma(), layer.layer.beta];
        let mut found: Vec<f32> = parts.into_iter().flat_map(|part| layer.get(part)).collect();
        found.extend(layer.folded());
        found.extend(layer.get(layer.layer.transposed.unwrap()));
        found
    });
}

fn optimizer_case(n: usize, momentum: f64, nesterov: bool) {
    const STEPS: u64 = 3;
    const RATE: f64 = 0.01;
    let start = data(n, 1, Signed);
    let gradients: Vec<Vec<f32>> = (0..STEPS).map(|t| data(n, 2 + t, Signed)).collect();

    let (mut expected, mut powers) = (vec![[0.0; 3]; n], [1.0_f64; 2]);
    for (state, &w) in expected.iter_mut().zip(&start) {
        state[0] = w;
    }
    for g in &gradients {
        powers = [powers[0] * 0.9, powers[1] * 0.999];
        let alpha = (RATE * (1.0 - powers[1]).sqrt() / (1.0 - powers[0])) as f32;
        for (state, &g) in expected.iter_mut().zip(g) {
            *state = definition::adam(*state, g, alpha);
        }
    }
    check(&interleaved(&expected), |level| {
        let mut adam = Adam::new(RATE, 0.9, 0.999, 1e-7);
        let (mut w, mut m, mut v) = (start.clone(), vec![0.0; n], vec![0.0; n]);
        for g in &gradients {
            adam.next_step();
            adam.update(level, &mut w, g, &mut m, &mut v);
        }
        [w, m, v].concat()
    });
    check_on_cuda(&interleaved(&expected), |gpu| {
        let mut adam = Adam::new(RATE, 0.9, 0.999, 1e-7);
        let rule = Rule::from(&adam);
        let rate = |_| {
            adam.next_step();
            adam.alpha()
        };
        let rates: Vec<f32> = (0..STEPS).map(rate).collect();
        let [w, m, v] = trained(gpu, rule, &rates, &start, &gradients);
        [w, m, v].concat()
    });

    let mut expected: Vec<[f32; 3]> = start.iter().map(|&w| [w, 0.0, 0.0]).collect();
    for g in &gradients {
        for (state, &g) in expected.iter_mut().zip(g) {
            *state = definition::rmsprop(*state, g, RATE as f32, momentum as f32);
        }
    }
    check(&interleaved(&expected), |level| {
        let rmsprop = RmsProp::new(RATE, 0.9, momentum, 1e-7);
        let (mut w, mut v, mut m) = (start.clone(), vec![0.0; n], vec![0.0; n]);
        for g in &gradients {
            rmsprop.update(level, &mut w, g, &mut v, &mut m);
        }
        [w, v, m].concat()
    });
    let no_rates = [0.0; STEPS as usize];
    check_on_cuda(&interleaved(&expected), |gpu| {
        let rule = Rule::from(&RmsProp::new(RATE, 0.9, momentum, 1e-7));
        let [w, m, v] = trained(gpu, rule, &no_rates, &start, &gradients);
        [w, v, m].concat()
    });

    let mut expected: Vec<[f32; 2]> = start.iter().map(|&w| [w, 0.0]).collect();
    for g in &gradients {
        for (state, &g) in expected.iter_mut().zip(g) {
            *state = definition::sgd(*state, g, RATE as f32, momentum as f32, nesterov);
        }
    }
    check(&interleaved(&expected), |level| {
        let sgd = Sgd::new(RATE, momentum, nesterov);
        let (mut w, mut m) = (start.clone(), vec![0.0; n]);
        for g in &gradients {
            sgd.update(level, &mut w, g, &mut m);
        }
        [w, m].concat()
    });
    check_on_cuda(&interleaved(&expected), |gpu| {
        let rule = Rule::from(&Sgd::new(RATE, momentum, nesterov));
        let [w, m, _] = trained(gpu, rule, &no_rates, &start, &gradients);
        [w, m].concat()
    });
}

/// Values after steps with these gradients on the device, with their first and second moments.
fn trained(
    gpu: &Gpu,
    rule: Rule,
    rates: &[f32],
    start: &[f32],
    gradients: &[Vec<f32>],
) -> [Vec<f32>; 3] {
    let n = start.len();
    let mut layer = OnDevice::dense(gpu, start, &[0.0]);
    for (&rate, gradient) in rates.iter().zip(gradients) {
        layer.step(rule, rate, Some([gradient, &[0.0]]));
    }
    let states = layer.states();
    let w = layer.get(layer.layer.kernel);
    // After those of the kernel comes that of the bias.
    [w, states[..n].to_vec(), states[n + 1..][..n].to_vec()]
}

/// All first members, then all second ones, …
fn interleaved<const N: usize>(states: &[[f32; N]]) -> Vec<f32> {
    (0..N)
        .flat_map(|member| states.iter().map(move |state| state[member]))
        .collect()
}

fn pool_case(pixels: usize, c: usize) {
    let x = data(pixels * c, 1, Activation);
    let g = data(c, 2, Signed);
    check(&definition::pool(&x, c), |level| {
        let mut out = vec![f32::NAN; c];
        pool::forward(level, &x, pixels, &mut out);
        out
    });
    check_on_cuda(&definition::pool(&x, c), |gpu| {
        on_cuda::pool(gpu, &x, pixels, c)
    });
    for mask in [None, Some(x.as_slice())] {
        let expected: Vec<f32> = (0..pixels * c)
            .map(|at| {
                let share = g[at % c] / pixels as f32;
                mask.map_or(share, |mask| definition::where_active(share, mask[at]))
            })
            .collect();
        check(&expected, |level| {
            let mut out = vec![f32::NAN; pixels * c];
            pool::backward(level, &g, pixels, mask, &mut out);
            out
        });
        check_on_cuda(&expected, |gpu| {
            on_cuda::pool_gradient(gpu, &g, mask, pixels, c)
        });
    }
    let keep: Vec<bool> = (0..c).map(|at| at % 3 != 0).collect();
    let mut kept = vec![f32::NAN; c];
    dropout::apply(&g, &keep, 1.25, &mut kept);
    for at in 0..c {
        let expected = if keep[at] { g[at] * 1.25 } else { 0.0 };
        assert_eq!(kept[at].to_bits(), expected.to_bits());
    }
}
