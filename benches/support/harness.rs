//! Scenes under criterion.

use core::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};

use super::scene::{Case, Contender, Scale};

/// Whether the benches are only to be run once, by `cargo bench -- --test`.
pub fn is_test() -> bool {
    std::env::args().any(|arg| arg == "--test")
}

pub fn scale() -> Scale {
    Scale::new(is_test())
}

/// Benches all contenders of a case, by the time that a round of theirs says it took.
pub fn bench(criterion: &mut Criterion, case: Case<'_>) {
    let mut group = criterion.benchmark_group(format!("{} {}", case.row, case.name));
    for contender in Contender::ALL {
        let Some(first) = case.scene.round(contender) else { continue };
        // A round is an element for criterion's clock, and its units are the throughput.
        group.throughput(Throughput::Elements(first.units as u64));
        let id = BenchmarkId::from_parameter(contender.name());
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|rounds| {
                let samples = (0..rounds).filter_map(|_| case.scene.round(contender));
                samples.map(|sample| sample.elapsed).sum::<Duration>()
            });
        });
    }
    group.finish();
}

/// Few samples, as rounds are long.
pub fn config() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_secs(1))
}
