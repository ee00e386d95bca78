//! Whole passes through the network.

use rayon::ThreadPool;

use crate::Bench;
use crate::table::{Row, Table};
use crate::trials::in_turn;
use crate::work::{Batch, fine_tuned, flop};

pub fn measure(bench: &Bench, table: &mut Table) -> anyhow::Result<()> {
    let (network, level) = (&bench.network, bench.options.level);
    let images = bench.options.batch;
    let trained = fine_tuned(network)?;
    let whole = flop::forward(network);
    let tail = flop::tail(network, &trained);
    let step = flop::step(network, &trained);

    let mut frozen = Batch::frozen(level, network, images);
    row(bench, table, "frozen forward", whole, || frozen.prefix());
    drop(frozen);
    let mut tuned = Batch::fine_tuned(level, network, images)?;
    row(bench, table, "fine-tuning step", step, || tuned.step());
    row(bench, table, "step: frozen prefix", whole - tail, || {
        tuned.prefix();
    });
    row(
        bench,
        table,
        "step: trained tail",
        step - (whole - tail),
        || tuned.tail(),
    );
    Ok(())
}

/// One row for each number of threads, and the gain of all over one.
fn row(bench: &Bench, table: &mut Table, what: &str, flop: usize, work: impl FnMut() + Send) {
    let section = "network";
    let row = Row::new(section, what, 0);
    if !table.wants(&row) {
        return;
    }
    let timings = in_turn(bench.options.level, &bench.pools, work);
    for timing in &timings {
        table.add(row.clone().timed(*timing, bench.options.batch, Some(flop)));
    }
    if let [one, .., all] = timings[..] {
        let threads = bench
            .pools
            .last()
            .map_or(1, ThreadPool::current_num_threads);
        table.add(Row {
            speedup: Some(one.best / all.best),
            ..Row::new(section, format!("{what}, all threads against one"), threads)
        });
    }
}
